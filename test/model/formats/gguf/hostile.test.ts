import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ModelLoadError, ModelNotFoundError } from '../../../../lib/common/errors.js'
import { GgufFile } from '../../../../lib/model/formats/gguf/reader.js'
import { entry, type GgufEntry } from '../../../../lib/model/formats/gguf/values.js'
import { writeGguf } from '../../../../lib/model/formats/gguf/writer.js'
import { damagedFiles, refusal, sample } from './damage.js'
import { inTemporaryDirectory, sampleTensors } from './files.js'

describe('files that are no models', () => {
  it('tells a missing file from an unusable one', () =>
    inTemporaryDirectory(async (directory) => {
      const missing = GgufFile.open(join(directory, 'none.gguf'))
      await expect(missing).rejects.toThrow(ModelNotFoundError)
      await writeFile(join(directory, 'file'), '')
      const below = GgufFile.open(join(directory, 'file', 'none.gguf'))
      await expect(below).rejects.toThrow(ModelNotFoundError)
      await expect(GgufFile.open(directory)).rejects.toThrow(ModelLoadError)
      await expect(GgufFile.open(join(directory, 'a\0b'))).rejects.toThrow(ModelLoadError)
    }))

  const cases: [string, (bytes: Buffer) => Uint8Array, RegExp][] = [
    ['nothing', () => Buffer.alloc(0), /too short/],
    ['zeros', () => Buffer.alloc(4096), /not a GGUF/],
    ['text', () => Buffer.from('{"model": "bge-m3"}'.repeat(9)), /not a GGUF/],
    ['version 1', (b) => patched(b, 4, 1), /version 1/],
    ['version 4', (b) => patched(b, 4, 4), /version 4/],
    ['big-endian', (b) => patched(b, 4, 0x03000000), /big-endian/],
    ['2^32 tensors', (b) => patched(b, 12, 1), /too many tensors/],
    ['2^63 keys', (b) => patched(b, 20, 0x80000000), /too many keys/],
    ['a key of 2^40 bytes', (b) => patched(b, 28, 256), /too long/],
    ['a key that is longer than the file', (b) => patched(b, 24, 60_000), /ends in its header/],
    ['a value of type 13', (b) => patched(b, 24 + 8 + 20, 13), /no valid type/],
  ]
  for (const [what, change, message] of cases) {
    it(`refuses ${what}`, () =>
      inTemporaryDirectory(async (directory) => {
        const bytes = await sample(directory)
        expect(await refusal(directory, change(bytes))).toMatch(message)
      }))
  }
})

function patched(bytes: Buffer, offset: number, value: number): Buffer {
  const copy = Buffer.from(bytes)
  copy.writeUInt32LE(value, offset)
  return copy
}

/** An array whose header lies about its type or count. */
function lyingArray(elementType: number, count: bigint, data = 16): GgufEntry {
  const payload = Buffer.alloc(12 + data)
  payload.writeUInt32LE(elementType, 0)
  payload.writeBigUInt64LE(count, 4)
  return { key: 'lie', type: 9, payload }
}

describe('lying headers', () => {
  const entries: [string, GgufEntry[], RegExp][] = [
    ['2^60 floats', [lyingArray(6, 1n << 60n)], /ends in its header/],
    ['2^60 strings', [lyingArray(8, 1n << 60n)], /ends in its header/],
    ['2^64-1 bytes', [lyingArray(0, (1n << 64n) - 1n)], /ends in its header/],
    ['arrays in an array', [lyingArray(9, 1n)], /element type/],
    ['an unknown element type', [lyingArray(77, 1n)], /element type/],
    ['an empty key', [entry.uint32('', 1)], /empty/],
    ['a key twice', [entry.uint32('a', 1), entry.uint32('a', 2)], /twice/],
    ['an alignment of 0', [entry.uint32('general.alignment', 0)], /alignment/],
    ['an alignment of 48', [entry.uint32('general.alignment', 48)], /alignment/],
    ['an alignment of 2^31', [entry.uint32('general.alignment', 2 ** 31)], /alignment/],
    ['an alignment in words', [entry.string('general.alignment', '32')], /alignment/],
  ]
  for (const [what, keys, message] of entries) {
    it(`refuses ${what}`, () =>
      inTemporaryDirectory(async (directory) => {
        const path = join(directory, 'lie.gguf')
        await writeGguf(path, keys, [])
        await expect(GgufFile.open(path)).rejects.toThrow(ModelLoadError)
        await expect(GgufFile.open(path)).rejects.toThrow(message)
      }))
  }

  /** The sample's header ends with the info of `c.bias`: dims 1, [5], type, offset. */
  const tensors: [string, (info: Buffer) => void, RegExp][] = [
    ['five dimensions', (info) => info.writeUInt32LE(5, 0), /5 dimensions/],
    ['a size of 2^40', (info) => info.writeUInt32LE(256, 8), /outside/],
    ['a size of 2^63', (info) => info.writeUInt32LE(0x80000000, 8), /larger/],
    ['an unknown type', (info) => info.writeUInt32LE(4, 12), /unknown type 4/],
    ['rows that are no blocks', (info) => info.writeUInt32LE(8, 12), /whole blocks/],
    ['an offset past the end', (info) => info.writeUInt32LE(1 << 20, 16), /outside/],
    ['an offset of 2^60', (info) => info.writeUInt32LE(1 << 28, 20), /outside/],
    ['an offset between', (info) => info.writeUInt32LE(8, 16), /not aligned/],
  ]
  for (const [what, change, message] of tensors) {
    it(`refuses a tensor with ${what}`, () =>
      inTemporaryDirectory(async (directory) => {
        const bytes = await sample(directory)
        const info = bytes.subarray(bytes.indexOf('c.bias') + 6)
        change(info)
        expect(await refusal(directory, bytes)).toMatch(message)
      }))
  }

  it('refuses a tensor that is there twice', () =>
    inTemporaryDirectory(async (directory) => {
      const path = join(directory, 'twice.gguf')
      const [tensor] = sampleTensors()
      await writeGguf(path, [], [tensor, tensor])
      await expect(GgufFile.open(path)).rejects.toThrow(/twice/)
    }))

  it('puts no control character of a name into its message', () =>
    inTemporaryDirectory(async (directory) => {
      const path = join(directory, 'terminal.gguf')
      const key = '\u001b[2Jevil\n'
      await writeGguf(path, [entry.uint32(key, 1), entry.uint32(key, 1)], [])
      const error = await GgufFile.open(path).catch((reason: unknown) => reason as Error)
      expect((error as Error).message).toContain('"?[2Jevil?"')
    }))
})

damagedFiles({ step: 7, changes: 1500 })
