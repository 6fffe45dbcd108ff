/**
 * Damaged and hostile checkpoints: whatever the bytes, reading ends soon, in a result or a typed error,
 * without large allocations. A failure names its seed.
 */

import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EmbedderError } from '../../lib/common/errors.js'
import { fromBytes, type RandomAccess } from '../../lib/model/formats/random-access.js'
import { readSafetensors } from '../../lib/model/formats/safetensors.js'
import { readSentencePiece } from '../../lib/model/formats/sentencepiece.js'
import { elementCount, readFloats, type TensorFile } from '../../lib/model/formats/tensor-file.js'
import { readTorch } from '../../lib/model/formats/torch/torch.js'
import { seededRandom } from '../../lib/scoring/random.js'
import { writeSafetensors } from './writers/safetensors.js'
import { bytes, bytesOf, type WritableTensor } from './writers/tensors.js'
import { sentencePieceModel } from './writers/tokenizers.js'
import { writeTorch } from './writers/torch.js'

const INTERESTING = [0, 1, 0x28, 0x2e, 0x52, 0x61, 0x7f, 0x80, 0x88, 0xfe, 0xff]

/** One to eight changes: bits, bytes, runs of extreme values, cuts, doubled and moved parts. */
function mutate(source: Uint8Array, random: () => number): Uint8Array {
  let content: Uint8Array = source.slice()
  const pick = (n: number) => Math.floor(random() * n)
  for (let change = pick(8); change >= 0 && content.length > 0; change--) {
    // Containers are decided by their ends; tensor data in between is not worth the time.
    const edge = Math.min(content.length, 1500)
    const at = random() < 0.5 ? pick(edge) : content.length - 1 - pick(edge)
    const kind = pick(7)
    if (kind === 0) content[at] = (content[at] as number) ^ (1 << pick(8))
    else if (kind === 1) content[at] = pick(256)
    else if (kind === 2) content[at] = INTERESTING[pick(INTERESTING.length)] as number
    else if (kind === 3) content.fill(random() < 0.5 ? 0xff : 0, at, at + 1 + pick(8))
    else if (kind === 4) content = content.slice(0, at)
    else if (kind === 5) content.copyWithin(pick(content.length), at, at + pick(64))
    else content = bytes(content.subarray(0, at), content.subarray(Math.max(0, at - pick(40))))
  }
  return content
}

/** A source that fails the test when it is asked for more than it has. */
function guarded(content: Uint8Array): RandomAccess {
  const source = fromBytes(content, 'mutant')
  return {
    ...source,
    read(offset, length) {
      expect(length <= content.length || offset + length > content.length).toBe(true)
      return source.read(offset, length)
    },
  }
}

async function readAll(file: TensorFile): Promise<void> {
  for (const tensor of file.tensors.values()) {
    await tensor.verify?.()
    if (tensor.dtype.startsWith('F') || tensor.dtype === 'BF16') {
      const floats = await readFloats(tensor)
      expect(floats).toHaveLength(elementCount(tensor.shape))
    }
  }
}

async function fuzz(
  source: Uint8Array,
  runs: number,
  read: (input: RandomAccess) => Promise<void>,
) {
  let refused = 0
  for (let seed = 1; seed <= runs; seed++) {
    const mutant = mutate(source, seededRandom(seed))
    try {
      await read(guarded(mutant))
    } catch (error) {
      if (!(error instanceof EmbedderError)) throw new Error(`seed ${seed}`, { cause: error })
      expect(['MODEL_LOAD', 'INTEGRITY'], `seed ${seed}`).toContain(error.code)
      expect(error.message.length, `seed ${seed}`).toBeLessThan(400)
      refused++
    }
  }
  // Mutations that reach nothing test nothing; neither do those that a first check stops.
  expect(refused).toBeGreaterThan(runs / 4)
}

const fixture = (name: string) => readFile(join(import.meta.dirname, '../fixtures', name))

const tensors: WritableTensor[] = ['a', 'b', 'c'].map((name, i) => ({
  name,
  dtype: 'F32',
  shape: [i + 1, 4],
  chunks: () => [bytesOf(Float32Array.from({ length: 4 * (i + 1) }, (_, j) => j))],
}))

export function fuzzCheckpoints(runs: number): void {
  describe(`${runs} mutations`, { timeout: 600_000 + 200 * runs }, () => {
    let directory: string
    beforeAll(async () => {
      directory = await mkdtemp(join(tmpdir(), 'fuzz-'))
    })
    afterAll(() => rm(directory, { recursive: true }))

    const torch = async (source: RandomAccess) => readAll(await readTorch(source))

    it('of the official sparse head', async () => {
      await fuzz(new Uint8Array(await fixture('heads/sparse_linear.pt')), runs, torch)
    })

    it('of a checkpoint with zip64 records', async () => {
      const path = join(directory, 'zip64.bin')
      await writeTorch(path, tensors, { zip64: true })
      await fuzz(new Uint8Array(await readFile(path)), runs, torch)
    })

    it('of a pickle inside an archive that is sound', async () => {
      // The pickle is where a hostile file acts, and checksums hide it from the mutations above.
      const path = join(directory, 'plain.bin')
      await writeTorch(path, tensors)
      const archive = new Uint8Array(await readFile(path))
      const start = Buffer.from(archive).indexOf('\x80\x02ccollections', 0, 'latin1')
      const end = Buffer.from(archive).indexOf('PK\x07\x08', start)
      const directoryAt = Buffer.from(archive).indexOf('PK\x01\x02')
      archive.fill(0, directoryAt + 16, directoryAt + 20) // no checksum
      const sound = (mutant: Uint8Array) => {
        const content = archive.slice()
        content.set(mutant.subarray(0, end - start), start)
        return content
      }
      await fuzz(archive.slice(start, end), runs, async (source) => {
        const mutant = await source.read(0, source.size)
        await torch(fromBytes(sound(mutant), 'mutant'))
      })
    })

    it('of a safetensors file', async () => {
      const path = join(directory, 'model.safetensors')
      await writeSafetensors(path, tensors)
      await fuzz(new Uint8Array(await readFile(path)), runs, async (source) => {
        await readAll(await readSafetensors(source))
      })
    })

    it('of a SentencePiece model', async () => {
      const words = ['<s>', '<pad>', '</s>', '<unk>', '▁the', '▁of', 's', '日本', '[PAD]']
      const model = sentencePieceModel({
        tokens: words.map((word) => bytes(word)),
        scores: Float32Array.from(words, (_, i) => -i),
        types: Int32Array.from(words, (_, i) => (i < 3 ? 3 : i === 3 ? 2 : 1)),
        charsmap: Uint8Array.from({ length: 64 }, (_, i) => i),
      })
      await fuzz(model, runs, async (source) => {
        const { pieces, scores, types } = await readSentencePiece(source)
        expect([scores.length, types.length]).toEqual([pieces.length, pieces.length])
      })
    })
  })
}
