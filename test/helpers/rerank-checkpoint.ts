/**
 * The checkpoints that test/fixtures/rerank was made with, bit for bit: weights are a hash of tensor name
 * and index, and what is planted in them is exact. After make_rerank.py there, which says more.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cacheDir } from '../../lib/common/cache-dir.js'
import { type ConvertType, convertCheckpoint } from '../../lib/model/convert/convert.js'
import { GgufFile } from '../../lib/model/formats/gguf/reader.js'
import { STANDIN_VERSION } from '../../lib/model/standin/create.js'
import { findVocab } from '../../lib/model/standin/vocabulary.js'
import { readGgufVocabulary } from '../model/writers/checkpoint.js'
import { writeSafetensors } from '../model/writers/safetensors.js'
import { bytesOf, type WritableTensor } from '../model/writers/tensors.js'
import { tokenizerJson } from '../model/writers/tokenizers.js'
import { makeOnce, standinPath } from './standins.js'

export type RerankKind = 'xlmr' | 'xlmr-tiny' | 'bert' | 'bert-tiny'

/** A pair and what was said of it. `types` are runs of [type, count]. */
export interface GoldenPair {
  id: number
  what: string
  query: string
  document: string
  ids: number[]
  types?: [number, number][]
  score: number
  normalized: number
  ce: { logit: number; predict: number; ids?: number[]; types?: [number, number][] }
  ceDefault?: { tokens: number; logit: number; predict: number }
  tiny: { score: number; ce: number }
}

export interface Golden {
  make: { 'sha256 of model.safetensors': Partial<Record<RerankKind, string>> }
  developers: GoldenPair[]
  rank: { query: number; documents: number[]; result: { corpus_id: number; score: number }[] }
}

export async function golden(family: 'xlmr' | 'bert'): Promise<Golden> {
  const path = join(import.meta.dirname, '..', 'fixtures', 'rerank', `${family}.json`)
  return JSON.parse(await readFile(path, 'utf8'))
}

interface Shape {
  layers: number
  dim: number
  heads: number
  ffn: number
  positions: number
  types: number
  vocab: number
  eps: number
  /** The first id that is no special token or unused. */
  first: number
}

const XLMR = { positions: 8194, types: 1, vocab: 250_002, eps: 1e-5, first: 0 }
const BERT = { positions: 512, types: 2, vocab: 30_522, eps: 1e-12, first: 1995 }
const SHAPES: Record<RerankKind, Shape> = {
  xlmr: { ...XLMR, layers: 3, dim: 1024, heads: 16, ffn: 4096 },
  'xlmr-tiny': { ...XLMR, layers: 2, dim: 64, heads: 1, ffn: 256 },
  bert: { ...BERT, layers: 6, dim: 384, heads: 12, ffn: 1536 },
  'bert-tiny': { ...BERT, layers: 2, dim: 64, heads: 2, ffn: 256 },
}

const SEED = 7
const GOLDEN_RATIO = 0x9e3779b9
/** Of the sum of four bytes that are all equally likely. */
const STD_DEV = 147.80054127

function hashOf(name: string): number {
  let hash = 0x811c9dc5
  for (const char of name) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193)
  return hash >>> 0
}

function draw(name: string, count: number, stdDev: number, mean = 0): Float32Array {
  const out = new Float32Array(count)
  const hash = (hashOf(name) ^ Math.imul(SEED, GOLDEN_RATIO)) >>> 0
  const scale = stdDev / STD_DEV
  for (let i = 0; i < count; i++) {
    let x = (Math.imul(i, 0x9e3779b1) + hash) | 0
    x ^= x >>> 16
    x = Math.imul(x, 0x21f0aaad)
    x ^= x >>> 15
    x = Math.imul(x, 0x735a2d97)
    x ^= x >>> 15
    const sum = (x & 255) + ((x >>> 8) & 255) + ((x >>> 16) & 255) + (x >>> 24) - 510
    out[i] = mean + sum * scale
  }
  return out
}

/** By the leading bit and a straight line: exact in float64. */
function log2(n: number): number {
  const power = 31 - Math.clz32(n)
  return power + n / 2 ** power - 1
}

type Drawn = [name: string, shape: number[], values: Float32Array]

/** One tensor after the other, so that the largest is there alone. */
function* encoder(s: Shape): Generator<Drawn> {
  const { layers, dim, heads, ffn } = s
  const per = 1 / Math.sqrt(dim)
  const count = Math.max(4, Math.floor(dim / 64))
  const rare = Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * dim) / count))
  const sign = (i: number) => (i % 2 ? -1 : 1)
  const signs = Array.from({ length: dim }, (_, i) =>
    (Math.imul(i + 1, 0x9e3779b1) >>> 16) & 1 ? 1 : -1,
  )
  const add = (values: Float32Array, at: number, more: number) => {
    values[at] = (values[at] as number) + more
  }
  const columns = (values: Float32Array, width: number) => {
    for (let row = 0; row < values.length; row += width) for (const c of rare) values[row + c] = 0
    return values
  }
  const rows = (values: Float32Array, width: number) => {
    for (const row of rare) values.fill(0, row * width, (row + 1) * width)
    return values
  }
  const vector = (name: string, stdDev: number, mean = 0, size = dim): Drawn => [
    name,
    [size],
    draw(name, size, stdDev, mean),
  ]
  const norm = (name: string): Drawn[] => [
    vector(`${name}.weight`, 0.1, 1),
    vector(`${name}.bias`, 0.05),
  ]
  const table = (name: string, size: number, stdDev: number): Drawn => [
    name,
    [size, dim],
    draw(name, size * dim, stdDev),
  ]
  const words = table('embeddings.word_embeddings.weight', s.vocab, 0.1)
  for (let id = 0; id < s.vocab; id++) {
    const rarity = log2(Math.max(0, id - s.first) + 1) / log2(s.vocab - s.first)
    rare.forEach((c, i) => {
      words[2][id * dim + c] = 0.25 * (rarity - 0.7) * sign(i)
    })
  }
  yield words
  yield table('embeddings.position_embeddings.weight', s.positions, 0.03)
  yield table('embeddings.token_type_embeddings.weight', s.types, s.types === 1 ? 0.01 : 0.06)
  yield* norm('embeddings.LayerNorm')
  for (let layer = 0; layer < layers; layer++) {
    const of = (name: string) => `encoder.layer.${layer}.${name}`
    const gain = layer === 0 ? 5 : layer === 1 ? 2 : 0.8
    const square = (name: string, stdDev: number) => draw(name, dim * dim, stdDev)

    const query = of('attention.self.query')
    yield [`${query}.weight`, [dim, dim], square(`${query}.weight`, 1.2 * per)]
    const bias = draw(`${query}.bias`, dim, 0.05)
    signs.forEach((value, i) => {
      add(bias, i, value * 0.5)
    })
    yield [`${query}.bias`, [dim], bias]

    const key = of('attention.self.key')
    const keys = square(`${key}.weight`, 1.2 * per)
    const slope = 4 / (Math.sqrt(dim / heads) * 0.5 * count)
    for (let row = 0; row < dim; row++) {
      rare.forEach((c, i) => {
        add(keys, row * dim + c, (signs[row] as number) * sign(i) * slope)
      })
    }
    yield [`${key}.weight`, [dim, dim], keys]
    yield vector(`${key}.bias`, 0.05)

    const value = of('attention.self.value')
    yield [`${value}.weight`, [dim, dim], columns(square(`${value}.weight`, per), dim)]
    yield vector(`${value}.bias`, 0.05)

    const out = of('attention.output.dense')
    yield [`${out}.weight`, [dim, dim], rows(square(`${out}.weight`, gain * per), dim)]
    yield [`${out}.bias`, [dim], rows(draw(`${out}.bias`, dim, 0.05), 1)]
    yield* norm(of('attention.output.LayerNorm'))

    const up = of('intermediate.dense')
    yield [`${up}.weight`, [ffn, dim], columns(draw(`${up}.weight`, ffn * dim, per), dim)]
    yield vector(`${up}.bias`, 0.1, 0, ffn)

    const down = of('output.dense')
    const pairs = draw(`${down}.weight`, dim * ffn, 0.6 / Math.sqrt(ffn))
    for (let i = 1; i < pairs.length; i += 2) pairs[i] = -(pairs[i - 1] as number)
    yield [`${down}.weight`, [dim, ffn], rows(pairs, ffn)]
    yield [`${down}.bias`, [dim], rows(draw(`${down}.bias`, dim, 0.05), 1)]
    yield* norm(of('output.LayerNorm'))
  }
}

function* checkpoint(kind: RerankKind): Generator<Drawn> {
  const shape = SHAPES[kind]
  const { dim } = shape
  const isXlmr = kind.startsWith('xlmr')
  const prefix = isXlmr ? 'roberta.' : 'bert.'
  for (const [name, dims, values] of encoder(shape)) yield [prefix + name, dims, values]
  const [dense, out] = isXlmr
    ? ['classifier.dense', 'classifier.out_proj']
    : ['bert.pooler.dense', 'classifier']
  yield [`${dense}.weight`, [dim, dim], draw(`${dense}.weight`, dim * dim, 1 / Math.sqrt(dim))]
  yield [`${dense}.bias`, [dim], draw(`${dense}.bias`, dim, 0.1)]
  yield [`${out}.weight`, [1, dim], draw(`${out}.weight`, dim, 4.5 / Math.sqrt(dim))]
  yield [`${out}.bias`, [1], draw(`${out}.bias`, 1, 0, -1)]
}

/** Writes the checkpoint. `model.safetensors` is the file that make_rerank.py writes, byte for byte. */
export async function writeRerankCheckpoint(kind: RerankKind, directory: string): Promise<void> {
  await mkdir(directory, { recursive: true })
  const tensors: WritableTensor[] = []
  for (const [name, shape, values] of checkpoint(kind)) {
    tensors.push({ name, dtype: 'F32', shape, chunks: () => [bytesOf(values)] })
  }
  tensors.sort((a, b) => (a.name < b.name ? -1 : 1))
  await writeSafetensors(join(directory, 'model.safetensors'), tensors)
  const s = SHAPES[kind]
  const isXlmr = kind.startsWith('xlmr')
  const config = {
    architectures: [
      isXlmr ? 'XLMRobertaForSequenceClassification' : 'BertForSequenceClassification',
    ],
    model_type: isXlmr ? 'xlm-roberta' : 'bert',
    hidden_act: 'gelu',
    hidden_size: s.dim,
    intermediate_size: s.ffn,
    layer_norm_eps: s.eps,
    max_position_embeddings: s.positions,
    num_attention_heads: s.heads,
    num_hidden_layers: s.layers,
    pad_token_id: isXlmr ? 1 : 0,
    position_embedding_type: 'absolute',
    type_vocab_size: s.types,
    vocab_size: s.vocab,
    id2label: { 0: 'LABEL_0' },
    label2id: { LABEL_0: 0 },
  }
  await writeFile(join(directory, 'config.json'), JSON.stringify(config))
  if (isXlmr) {
    const gguf = await GgufFile.open(await standinPath({ size: 'tiny' }))
    try {
      const json = tokenizerJson(await readGgufVocabulary(gguf))
      await writeFile(join(directory, 'tokenizer.json'), json)
    } finally {
      await gguf.close()
    }
    return
  }
  await writeFile(join(directory, 'vocab.txt'), await bertVocabulary())
  await writeFile(join(directory, 'tokenizer_config.json'), '{"do_lower_case":true}')
}

/** llama.cpp's own vocabulary of BERT uncased, back in BERT's notation. */
export async function bertVocabulary(): Promise<string> {
  const gguf = await GgufFile.open(await findVocab('minilm'))
  try {
    const tokens = (await gguf.strings('tokenizer.ggml.tokens')) ?? []
    const lines = [...tokens].map((token) =>
      token.startsWith('▁') ? token.slice(1) : /^\[.+\]$/.test(token) ? token : `##${token}`,
    )
    return `${lines.join('\n')}\n`
  } finally {
    await gguf.close()
  }
}

/** Path of the GGUF made of such a checkpoint, made on first use and kept in the cache directory. */
export async function rerankerPath(kind: RerankKind, type: ConvertType = 'f32'): Promise<string> {
  const name = `v${STANDIN_VERSION}-rerank-1-${kind}-${type}.gguf`
  const path = join(cacheDir(), 'test-models', name)
  await makeOnce(path, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'rerank-'))
    try {
      await writeRerankCheckpoint(kind, directory)
      await convertCheckpoint(directory, { output: path, type, name: kind })
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })
  return path
}
