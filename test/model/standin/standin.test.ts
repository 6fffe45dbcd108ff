import { createHash } from 'node:crypto'
import { copyFile, mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  InvalidInputError,
  ModelLoadError,
  ModelNotFoundError,
} from '../../../lib/common/errors.js'
import { HEAD_KEYS } from '../../../lib/model/formats/gguf/own-keys.js'
import { dequantizeQ8_0 } from '../../../lib/model/formats/gguf/quantize.js'
import { GgufFile } from '../../../lib/model/formats/gguf/reader.js'
import { TensorType, tensorBytes } from '../../../lib/model/formats/gguf/types.js'
import { inspectModel } from '../../../lib/model/inspect.js'
import { createStandin, type StandinOptions } from '../../../lib/model/standin/create.js'
import { shapeOf } from '../../../lib/model/standin/shapes.js'
import { findVocab } from '../../../lib/model/standin/vocabulary.js'
import { weightTensors } from '../../../lib/model/standin/weights.js'
import { standinPath } from '../../helpers/standins.js'
import { inTemporaryDirectory } from '../formats/gguf/files.js'

async function sha256(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
}

/** A very small model: 1,000 tokens, 64 wide. */
function make(directory: string, options: Partial<StandinOptions> = {}) {
  const output = join(directory, 'model.gguf')
  return createStandin({ output, size: 'tiny', vocabSize: 1000, ...options })
}

afterEach(() => {
  vi.unstubAllEnvs()
})

describe('the bytes of a stand-in', () => {
  // Pinned: other bytes mean other weights, and every number measured on stand-ins changes.
  // If that is meant, raise STANDIN_VERSION and put the new sums here.
  const pinned: [string, Partial<StandinOptions>, string][] = [
    ['tiny', {}, '1e41287d6dae8b7d3b8de62dd1a39868214914799a3c0bd6f57de4526c1dbbb3'],
    [
      'tiny f16',
      { type: 'f16' },
      '630b6082bab5fbce4bb97082cd29f4a3c8600c41e94a4daf0c6155e7db4b2500',
    ],
    [
      'tiny f32',
      { type: 'f32' },
      '5f0fd45d76a469ccc3adb64424cdd60c4e903a88e283333df4274078289c01a9',
    ],
    [
      'tiny of another seed',
      { seed: 2 },
      '2cefd77186b01bb5b01b86376aebe62ccfbc891dd6967bdd6eeb90c25479375e',
    ],
    [
      'tiny minilm',
      { arch: 'minilm' },
      '127c6ce0382c7cf199e0745584f987973edabc2c7c6435b73d9cdcfa3960889d',
    ],
  ]
  for (const [what, options, sum] of pinned) {
    it(`are the same on every run and machine: ${what}, 1,000 tokens`, () =>
      inTemporaryDirectory(async (directory) => {
        const { path } = await make(directory, options)
        expect(await sha256(path)).toBe(sum)
      }))
  }

  it('are the same on every run and machine: tiny with all of its vocabulary', async () => {
    const path = await standinPath({ size: 'tiny' })
    expect(await sha256(path)).toBe(
      '210032655c4c7269841e8d88f31932482175ad848db208f1d9dcacd1e8493ebc',
    )
  })
})

describe('the shape of a stand-in', () => {
  it('is bge-m3’s: 244 float32 tensors, 145 Q8_0, 598.63 MiB, 566.70 M weights', () => {
    // As llama.cpp prints of the published Q8_0 file (ggml-org/llama.cpp issue 12836).
    const tensors = weightTensors(shapeOf('bge-m3', 'full'), 250_002)
    const matrices = tensors.filter(({ kind }) => kind === 'matrix')
    expect([tensors.length - matrices.length, matrices.length]).toEqual([244, 145])
    const bytes = tensors.map(({ kind, dims }) =>
      tensorBytes(kind === 'matrix' ? TensorType.Q8_0 : TensorType.F32, dims),
    )
    const total = bytes.reduce((sum: number, size) => sum + (size ?? Number.NaN), 0)
    expect((total / 2 ** 20).toFixed(2)).toBe('598.63')
    const elements = tensors.reduce((sum, { dims }) => sum + dims.reduce((a, b) => a * b, 1), 0)
    expect((elements / 1e6).toFixed(2)).toBe('566.70')
  })

  it('is what the header says', async () => {
    expect(await inspectModel(await standinPath({ size: 'tiny' }))).toMatchObject({
      arch: 'bert',
      name: expect.stringMatching(/stand-in.*meaningless/),
      layers: 2,
      dim: 64,
      attentionHeads: 1,
      ffn: 256,
      contextLength: 8192,
      vocabSize: 250_002,
      tokenizer: 't5',
      pooling: 'cls',
      fileType: 'Q8_0',
      parameters: 16_624_576,
      heads: { sparse: true, colbert: true },
      standin: true,
    })
  })

  it('is MiniLM’s and BERT’s where that is asked for', () =>
    inTemporaryDirectory(async (directory) => {
      const info = await make(directory, { arch: 'minilm', vocabSize: 30_522 })
      expect(await inspectModel(info.path)).toMatchObject({
        vocabSize: 30_522,
        tokenizer: 'bert',
        pooling: 'mean',
        contextLength: 512,
        parameters: info.parameters,
        sizeBytes: info.sizeBytes,
      })
      expect(shapeOf('minilm', 'full')).toMatchObject({ layers: 6, dim: 384, heads: 12, ffn: 1536 })
      expect(shapeOf('bert-base', 'full')).toMatchObject({
        layers: 12,
        dim: 768,
        heads: 12,
        ffn: 3072,
        pooling: 'cls',
      })
    }))

  it('is known to be a model without heads and marks if it has neither', () =>
    inTemporaryDirectory(async (directory) => {
      const vocab = await findVocab('bge-m3')
      const inspected = await inspectModel(vocab)
      expect(inspected).toMatchObject({
        arch: 'nomic-bert-moe',
        fileType: undefined,
        heads: { sparse: false, colbert: false },
        standin: false,
      })
      await expect(inspectModel(directory)).rejects.toThrow(ModelLoadError)
    }))
})

describe('the vocabulary of a stand-in', () => {
  it('is the one of the published bge-m3 files', async () => {
    const file = await GgufFile.open(await standinPath({ size: 'tiny' }))
    const tokens = await file.strings('tokenizer.ggml.tokens')
    const scores = await file.numbers('tokenizer.ggml.scores')
    const types = await file.numbers('tokenizer.ggml.token_type')
    const at = (id: number) => [tokens?.at(id), scores?.[id], types?.[id]]
    expect([at(0), at(1), at(2), at(3)]).toEqual([
      ['<s>', 0, 3],
      ['<pad>', 0, 3],
      ['</s>', 0, 3],
      ['<unk>', 0, 2],
    ])
    expect(tokens?.at(4)).toBe(',')
    // llama.cpp prints "MASK token = 250001 '[PAD250000]'" of a published file.
    expect(at(250_001)).toEqual(['[PAD250000]', -10_000, 5])
    expect(file.number('tokenizer.ggml.mask_token_id')).toBe(250_001)
    expect(file.keys.get('tokenizer.ggml.precompiled_charsmap')?.length).toBe(237_539)
    await file.close()
  })

  it('is found by option, in LLAMA_CPP_DIR, in the cache directory, in this order', () =>
    inTemporaryDirectory(async (directory) => {
      const real = await findVocab('minilm')
      const cached = join(directory, 'build', 'llama.cpp-v9', 'src', 'models')
      const source = join(directory, 'source', 'models')
      vi.stubEnv('BGE_M3_CACHE_DIR', directory)
      vi.stubEnv('LLAMA_CPP_DIR', '')
      await expect(findVocab('minilm')).rejects.toThrow(ModelNotFoundError)
      await expect(findVocab('minilm')).rejects.toThrow(/--vocab/)
      for (const models of [cached, source]) {
        await mkdir(models, { recursive: true })
        await copyFile(real, join(models, 'ggml-vocab-bert-bge.gguf'))
      }
      expect(await findVocab('minilm')).toBe(join(cached, 'ggml-vocab-bert-bge.gguf'))
      vi.stubEnv('LLAMA_CPP_DIR', join(directory, 'source'))
      expect(await findVocab('minilm')).toBe(join(source, 'ggml-vocab-bert-bge.gguf'))
      expect(await findVocab('minilm', 'named.gguf')).toBe('named.gguf')
    }))

  it('is refused when it is another one', () =>
    inTemporaryDirectory(async (directory) => {
      const wordpiece = await findVocab('minilm')
      const xlmR = await findVocab('bge-m3')
      const small = (await make(directory)).path
      await expect(make(directory, { vocab: wordpiece })).rejects.toThrow(/needs t5/)
      await expect(make(directory, { arch: 'minilm', vocab: xlmR })).rejects.toThrow(/needs bert/)
      await expect(make(directory, { vocab: small })).rejects.toThrow(/XLM-R/)
      await expect(make(directory, { vocab: 'none.gguf' })).rejects.toThrow(ModelNotFoundError)
    }))
})

describe('the weights of a stand-in', () => {
  it('are the same in f32, f16 and q8_0, but for rounding', () =>
    inTemporaryDirectory(async (directory) => {
      const name = 'blk.1.ffn_down.weight'
      const read = async (type: 'f32' | 'f16' | 'q8_0') => {
        const file = await GgufFile.open((await make(directory, { type })).path)
        const bytes = await file.tensor(name)
        expect((await file.tensor('position_embd.weight')).length).toBe(8192 * 64 * 4)
        await file.close()
        return bytes
      }
      const exact = new Float32Array((await read('f32')).buffer)
      const half = await read('f16')
      const quantized = new Float32Array(exact.length)
      dequantizeQ8_0(await read('q8_0'), quantized)
      expect(half.length).toBe(exact.length * 2)
      const max = exact.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
      for (const [i, value] of exact.entries()) {
        expect(Math.abs(value - (quantized[i] as number))).toBeLessThan(max / 200)
      }
    }))

  it('include heads as float16 bits, [out, in]', async () => {
    const file = await GgufFile.open(await standinPath({ size: 'tiny' }))
    const lengths = Object.values(HEAD_KEYS).map((key) => file.keys.get(key)?.length)
    expect(lengths).toEqual([64, 1, 64 * 64, 64])
    expect(await file.numbers(HEAD_KEYS.colbertWeight)).toBeInstanceOf(Uint16Array)
    await file.close()
  })
})

describe('creating a stand-in', () => {
  it('refuses what it does not know', () =>
    inTemporaryDirectory(async (directory) => {
      const wrong: object[] = [
        { size: 'huge' },
        { arch: 'gpt' },
        { type: 'q4_0' },
        { seed: -1 },
        { seed: 0.5 },
        { vocabSize: 7 },
        { vocabSize: 250_003 },
      ]
      for (const options of wrong) {
        await expect(make(directory, options)).rejects.toThrow(InvalidInputError)
      }
      expect(await readdir(directory)).toEqual([])
    }))

  it('can be aborted, and leaves nothing', () =>
    inTemporaryDirectory(async (directory) => {
      const controller = new AbortController()
      let calls = 0
      const made = make(directory, {
        signal: controller.signal,
        onProgress: () => {
          if (++calls === 4) controller.abort(new Error('stop'))
        },
      })
      await expect(made).rejects.toThrow('stop')
      expect(await readdir(directory)).toEqual([])
      await expect(make(directory, { signal: controller.signal })).rejects.toThrow('stop')
    }))
})
