import { randomFillSync } from 'node:crypto'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GgufFile } from '../../../../lib/model/formats/gguf/reader.js'
import { TensorType } from '../../../../lib/model/formats/gguf/types.js'
import { entry, type NumericArray, StringArray } from '../../../../lib/model/formats/gguf/values.js'
import { writeGguf } from '../../../../lib/model/formats/gguf/writer.js'
import { inTemporaryDirectory, SAMPLE_ENTRIES, sampleTensors } from './files.js'

describe('writing and reading', () => {
  it('keeps values, arrays, types and tensors', () =>
    inTemporaryDirectory(async (directory) => {
      const path = join(directory, 'sub', 'sample.gguf')
      const size = await writeGguf(path, SAMPLE_ENTRIES, sampleTensors())
      expect((await stat(path)).size).toBe(size)
      const file = await GgufFile.open(path)
      expect([...file.keys.keys()]).toEqual(SAMPLE_ENTRIES.map(({ key }) => key))
      expect(file.version).toBe(3)
      expect(file.string('general.architecture')).toBe('bert')
      expect(file.number('bert.block_count')).toBe(2)
      expect(file.number('bert.attention.layer_norm_epsilon')).toBeCloseTo(1e-5, 12)
      expect(file.boolean('bert.attention.causal')).toBe(false)
      const numbers = [
        'a.uint8',
        'a.int8',
        'a.uint16',
        'a.int16',
        'a.int32',
        'a.int64',
        'a.float64',
      ]
      expect(numbers.map((key) => file.number(key))).toEqual([
        200,
        -3,
        65_000,
        -300,
        -70_000,
        -(2 ** 40),
        Math.PI,
      ])
      expect(file.number('a.uint64')).toBeUndefined() // not a safe number
      expect(file.keys.get('a.uint64')?.value).toBe(2n ** 63n)
      expect([...((await file.strings('tokens')) ?? [])]).toEqual(['<s>', '', 'ü', '日本'])
      expect(await file.numbers('scores')).toEqual(Float32Array.of(0, -1.5, 3))
      expect(await file.numbers('types')).toEqual(Int32Array.of(3, 1, -1))
      expect(await file.numbers('map')).toEqual(Uint8Array.of(0, 255, 7))
      for (const original of SAMPLE_ENTRIES) {
        expect(await file.entry(original.key)).toEqual(original)
      }
      for (const tensor of sampleTensors()) {
        const info = file.tensors.get(tensor.name)
        expect([info?.type, info?.dims]).toEqual([tensor.type, tensor.dims])
        expect((info?.offset ?? 1) % 32).toBe(0)
        const expected = Buffer.concat(tensor.data())
        expect(Buffer.from(await file.tensor(tensor.name))).toEqual(expected)
        const chunks: Uint8Array[] = []
        for await (const chunk of file.tensorChunks(tensor.name, 7)) chunks.push(chunk)
        expect(Buffer.concat(chunks)).toEqual(expected)
      }
      await file.close()
    }))

  it('says undefined for what is not there or is of another kind', () =>
    inTemporaryDirectory(async (directory) => {
      const path = join(directory, 'sample.gguf')
      await writeGguf(path, SAMPLE_ENTRIES, sampleTensors())
      const file = await GgufFile.open(path)
      expect(file.string('bert.block_count')).toBeUndefined()
      expect(file.number('tokens')).toBeUndefined()
      expect(file.boolean('missing')).toBeUndefined()
      expect(await file.numbers('tokens')).toBeUndefined()
      expect(await file.strings('scores')).toBeUndefined()
      expect(await file.entry('missing')).toBeUndefined()
      await expect(file.tensor('missing')).rejects.toThrow(/no tensor missing/)
      await file.close()
    }))

  it('reads arrays larger than the window it reads through', () =>
    inTemporaryDirectory(async (directory) => {
      const path = join(directory, 'large.gguf')
      const strings = Array.from({ length: 60_000 }, (_, i) => `piece ${i} ${'x'.repeat(i % 50)}`)
      const long = 'y'.repeat(3_000_000)
      const entries = [
        entry.strings('strings', strings),
        entry.string('long', long),
        entry.numbers(
          'numbers',
          Float64Array.from({ length: 400_000 }, (_, i) => i / 3),
        ),
        entry.numbers('big', BigInt64Array.of(-1n, 2n ** 62n)),
        entry.uint32('last', 7),
      ]
      await writeGguf(path, entries, [])
      const file = await GgufFile.open(path)
      expect(file.number('last')).toBe(7)
      expect(file.string('long')).toBe(long)
      expect([...((await file.strings('strings')) ?? [])]).toEqual(strings)
      expect((await file.numbers('numbers'))?.[399_999]).toBe(399_999 / 3)
      expect(await file.numbers('big')).toEqual(BigInt64Array.of(-1n, 2n ** 62n))
      await file.close()
    }))

  it('keeps any numeric array, at any offset, and bytes that are not UTF-8', async () => {
    const arrays: fc.Arbitrary<NumericArray>[] = [
      fc.uint8Array(),
      fc.int8Array(),
      fc.uint16Array(),
      fc.int16Array(),
      fc.uint32Array(),
      fc.int32Array(),
      fc.float32Array(),
      fc.float64Array(),
      fc.bigUint64Array(),
      fc.bigInt64Array(),
    ]
    const blobs = fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 10 })
    await inTemporaryDirectory(async (directory) => {
      const path = join(directory, 'any.gguf')
      await fc.assert(
        fc.asyncProperty(fc.oneof(...arrays), blobs, fc.string(), async (numbers, raw, text) => {
          const strings = StringArray.from(raw)
          await writeGguf(
            path,
            [entry.string('s', text), entry.numbers('n', numbers), entry.strings('b', strings)],
            [],
          )
          const file = await GgufFile.open(path)
          expect(file.string('s')).toBe(Buffer.from(text).toString())
          expect(await file.numbers('n')).toEqual(numbers)
          expect(await file.strings('b')).toEqual(strings)
          await file.close()
        }),
        { numRuns: 60 },
      )
    })
  })

  it('writes the same bytes for the same arguments', () =>
    inTemporaryDirectory(async (directory) => {
      const [one, two] = [join(directory, 'one'), join(directory, 'two')]
      await writeGguf(one, SAMPLE_ENTRIES, sampleTensors())
      await writeGguf(two, SAMPLE_ENTRIES, sampleTensors())
      expect(await readFile(one)).toEqual(await readFile(two))
    }))
})

describe('writing', () => {
  const failing = [
    {
      what: 'a source that throws',
      *data() {
        yield new Uint8Array(16)
        throw new Error('source broke')
      },
      message: /source broke/,
    },
    { what: 'too few bytes', data: () => [new Uint8Array(16)], message: /gave 16 bytes/ },
    { what: 'too many bytes', data: () => [new Uint8Array(40)], message: /needs 32/ },
  ]
  for (const { what, data, message } of failing) {
    it(`leaves the old file, and nothing else, after ${what}`, () =>
      inTemporaryDirectory(async (directory) => {
        const path = join(directory, 'x.gguf')
        await writeFile(path, 'old')
        const tensor = { name: 't', type: TensorType.F32, dims: [8], data }
        await expect(writeGguf(path, [], [tensor])).rejects.toThrow(message)
        expect(await readFile(path, 'utf8')).toBe('old')
        expect(await readdir(directory)).toEqual(['x.gguf'])
      }))
  }

  it('refuses rows that are not whole blocks', () =>
    inTemporaryDirectory(async (directory) => {
      const tensor = { name: 't', type: TensorType.Q8_0, dims: [33, 32], data: () => [] }
      await expect(writeGguf(join(directory, 'x'), [], [tensor])).rejects.toThrow(/whole blocks/)
      expect(await readdir(directory)).toEqual([])
    }))

  it('stops at an abort with the signal’s reason, and asks for nothing more', () =>
    inTemporaryDirectory(async (directory) => {
      const controller = new AbortController()
      let asked = 0
      const tensor = {
        name: 't',
        type: TensorType.F32,
        dims: [256, 100],
        *data() {
          for (; asked < 100; asked++) {
            if (asked === 3) controller.abort(new Error('enough'))
            yield new Uint8Array(1024)
          }
        },
      }
      const written = writeGguf(join(directory, 'x'), [], [tensor], { signal: controller.signal })
      await expect(written).rejects.toThrow('enough')
      expect(asked).toBe(3)
      expect(await readdir(directory)).toEqual([])
    }))

  it('takes one chunk at a time, which may be reused, and reports progress', () =>
    inTemporaryDirectory(async (directory) => {
      const path = join(directory, 'x')
      const expected = randomFillSync(new Uint8Array(4096))
      const buffer = new Uint8Array(512)
      const tensor = {
        name: 't',
        type: TensorType.F32,
        dims: [1024],
        *data() {
          for (let i = 0; i < 4096; i += 512) {
            buffer.set(expected.subarray(i, i + 512))
            yield buffer
          }
        },
      }
      const seen: number[] = []
      const size = await writeGguf(path, [], [tensor], {
        onProgress: ({ doneBytes, totalBytes }) => {
          seen.push(doneBytes)
          expect(doneBytes).toBeLessThanOrEqual(totalBytes)
        },
      })
      expect(seen.at(-1)).toBe(size)
      expect(seen).toHaveLength(9)
      const file = await GgufFile.open(path)
      expect(await file.tensor('t')).toEqual(expected)
      await file.close()
    }))
})
