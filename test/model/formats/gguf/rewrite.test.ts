import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../../../lib/common/errors.js'
import { toFloat16 } from '../../../../lib/common/float16.js'
import { GgufFile } from '../../../../lib/model/formats/gguf/reader.js'
import { type HeaderEdits, rewriteHeader } from '../../../../lib/model/formats/gguf/rewrite.js'
import { TensorType } from '../../../../lib/model/formats/gguf/types.js'
import { writeGguf } from '../../../../lib/model/formats/gguf/writer.js'
import { inTemporaryDirectory, SAMPLE_ENTRIES, sampleTensors } from './files.js'

/** The sample file rewritten; `body` gets the result. */
function rewritten(edits: HeaderEdits, body: (file: GgufFile, input: string) => Promise<void>) {
  return inTemporaryDirectory(async (directory) => {
    const [input, output] = [join(directory, 'in.gguf'), join(directory, 'out.gguf')]
    await writeGguf(input, SAMPLE_ENTRIES, sampleTensors())
    await rewriteHeader(input, output, edits)
    const file = await GgufFile.open(output)
    try {
      await body(file, input)
    } finally {
      await file.close()
    }
  })
}

describe('rewriting a header', () => {
  it('without edits gives the same file', () =>
    rewritten({}, async (file, input) => {
      expect(await readFile(file.path)).toEqual(await readFile(input))
    }))

  it('removes, renames, replaces in place and appends', () =>
    rewritten(
      {
        remove: ['a.uint8', 'map'],
        rename: { tokens: 'pieces' },
        set: [
          { key: 'bert.block_count', type: 'uint64', value: 3 },
          { key: 'new', type: 'string', value: 'text' },
          { key: 'copy', from: 'scores' },
          { key: 'yes', type: 'bool', value: true },
        ],
      },
      async (file) => {
        const keys = [...file.keys.keys()]
        expect(keys.slice(0, 3)).toEqual(SAMPLE_ENTRIES.slice(0, 3).map(({ key }) => key))
        expect(keys).not.toContain('a.uint8')
        expect(keys.slice(-5)).toEqual(['scores', 'types', 'new', 'copy', 'yes'])
        expect(file.number('bert.block_count')).toBe(3)
        expect(file.keys.get('bert.block_count')?.type).toBe(10)
        expect((await file.strings('pieces'))?.at(0)).toBe('<s>')
        expect(await file.numbers('copy')).toEqual(await file.numbers('scores'))
        expect(file.boolean('yes')).toBe(true)
        expect(Buffer.from(await file.tensor('c.bias'))).toEqual(
          Buffer.concat(sampleTensors()[2].data()),
        )
      },
    ))

  it('takes the whole list of keys, patches arrays, drops and retypes tensors', () =>
    rewritten(
      {
        keys: [
          'general.architecture',
          { key: 'tokens', from: 'tokens', patch: { 1: 'was empty' } },
          { key: 'types', from: 'types', patch: { 2: 9 } },
          { key: 's', type: 'string[]', value: ['x', 'y'] },
          { key: 'u8', type: 'uint8[]', value: [1, 2] },
          { key: 'u16', type: 'uint16[]', value: [1, 2] },
          { key: 'u32', type: 'uint32[]', value: [1, 2] },
          { key: 'i32', type: 'int32[]', value: [-1] },
          { key: 'f32', type: 'float32[]', value: [0.5] },
          { key: 'general.alignment', type: 'uint32', value: 64 },
        ],
        dropTensors: ['b.weight'],
        tensorTypes: { 'a.weight': 'F16', 'c.bias': 'F16' },
      },
      async (file, input) => {
        expect(file.keys.size).toBe(10)
        expect([...((await file.strings('tokens')) ?? [])]).toEqual([
          '<s>',
          'was empty',
          'ü',
          '日本',
        ])
        expect(await file.numbers('types')).toEqual(Int32Array.of(3, 1, 9))
        expect(await file.numbers('u16')).toEqual(Uint16Array.of(1, 2))
        expect(await file.numbers('f32')).toEqual(Float32Array.of(0.5))
        expect(file.alignment).toBe(64)
        expect([...file.tensors.keys()]).toEqual(['a.weight', 'c.bias'])
        expect(file.tensors.get('a.weight')?.type).toBe(TensorType.F16)
        const original = await GgufFile.open(input)
        const floats = new Float32Array((await original.tensor('a.weight')).buffer)
        await original.close()
        const halves = new Uint16Array((await file.tensor('a.weight')).buffer)
        expect(halves).toEqual(toFloat16(floats))
      },
    ))

  const wrong: [string, HeaderEdits][] = [
    ['a missing key', { remove: ['none'] }],
    ['a missing key to rename', { rename: { none: 'x' } }],
    ['a missing key to copy', { keys: ['none'] }],
    ['a missing tensor', { dropTensors: ['none'] }],
    ['a patch of a scalar', { set: [{ key: 'x', from: 'a.int8', patch: { 0: 1 } }] }],
    ['a type that is none', { set: [{ key: 'x', type: 'array' as 'bool', value: 1 }] }],
    ['a scalar for an array', { set: [{ key: 'x', type: 'int32[]', value: 1 }] }],
    ['an array for a scalar', { set: [{ key: 'x', type: 'int32', value: [1] }] }],
    ['an array of an unusual type', { set: [{ key: 'x', type: 'bool[]', value: [true] }] }],
    ['another type for a quantized tensor', { tensorTypes: { 'b.weight': 'F16' } }],
    ['an alignment that is no number', { keys: [{ key: 'general.alignment', from: 'a.int8' }] }],
  ]
  for (const [what, edits] of wrong) {
    it(`refuses ${what}`, async () => {
      await expect(rewritten(edits, async () => {})).rejects.toThrow(InvalidInputError)
    })
  }
})
