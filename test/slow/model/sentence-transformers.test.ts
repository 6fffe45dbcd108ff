/**
 * Conversion and engine against sentence-transformers itself: seeded random checkpoints of each architecture,
 * pooling and chain of modules, saved and run by it.
 */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Embedder } from '../../../lib/embedder/embedder.js'
import { cosine } from '../../../lib/exports/scoring.js'
import { convertCheckpoint } from '../../../lib/model/convert/convert.js'
import { GgufFile } from '../../../lib/model/formats/gguf/reader.js'
import { sentenceTransformers } from '../../../scripts/sentence-transformers.mjs'
import { bertVocabulary } from '../../helpers/rerank-checkpoint.js'
import { standinPath } from '../../helpers/standins.js'
import { paragraphs } from '../../helpers/texts.js'
import { readGgufVocabulary } from '../../model/writers/checkpoint.js'
import { tokenizerJson } from '../../model/writers/tokenizers.js'

/** Undefined where it was not made: the run says so. */
function findPython(): string | undefined {
  const python = sentenceTransformers()
  if (python) return python
  console.warn(
    'SKIPPED, conversion beside sentence-transformers: `node scripts/sentence-transformers.mjs` fetches it (6 GB)',
  )
  return undefined
}

type Module = [name: string, config: object]
const WIDTH = 64
const MAX_TOKENS = 48
/** Of 1 - cosine, in float32. */
const TOLERANCE = 1e-4
const pooling = (...modes: string[]): Module => [
  'Pooling',
  { embedding_dimension: WIDTH, pooling_mode: modes },
]
const dense = (inputs: number, outputs: number, rest: object = {}): Module => [
  'Dense',
  { in_features: inputs, out_features: outputs, ...rest },
]
const ALL = ['cls', 'max', 'mean', 'mean_sqrt_len_tokens', 'weightedmean', 'lasttoken']

const CHAINS: Record<string, Module[]> = {
  ...Object.fromEntries(ALL.map((mode) => [mode, [pooling(mode)]])),
  // as LaBSE and its like
  'cls-dense-normalize': [pooling('cls'), dense(WIDTH, 96), ['Normalize', {}]],
  'all-in-another-order': [pooling(...[...ALL].reverse())],
  'long-chain': [
    pooling('mean', 'max'),
    dense(2 * WIDTH, 40, { activation: 'GELU' }),
    ['LayerNorm', { dimension: 40 }],
    ['Normalize', {}],
    dense(40, 50, { activation: 'SiLU', bias: false }),
    dense(50, 33, { activation: 'Sigmoid' }),
    dense(33, 70, { activation: 'ReLU' }),
    ['Dropout', {}],
    dense(70, 24, { activation: 'Identity' }),
  ],
}
/** Poolings one by one where it is quick: XLM-R's vocabulary takes many seconds in Python. */
const SOME = ['all-in-another-order', 'long-chain']
const ENCODERS = [
  ['bert', 'wordpiece', Object.keys(CHAINS)],
  ['bert', 'unigram', SOME],
  ['roberta', 'unigram', SOME],
  ['xlm-roberta', 'unigram', SOME],
] as const

const python = findPython()
describe.skipIf(python === undefined)('sentence-transformers', () => {
  let directory: string
  // two of four are cut, and in two of the languages WordPiece knows few words
  const texts = (['en', 'de', 'zh', 'ar'] as const)
    .flatMap((language) => paragraphs(language).slice(0, 13))
    .flatMap(({ text, questions }) => [text, questions[0] as string])
    .slice(0, 100)
  const cases = ENCODERS.flatMap(([architecture, vocabulary, chains]) =>
    chains.map((chain, i) => {
      const modules = CHAINS[chain] as Module[]
      const name = `${architecture}-${vocabulary}-${chain}`
      const maxTokens = MAX_TOKENS
      return { name, architecture, vocabulary, modules, maxTokens, safe: i % 2 === 0 }
    }),
  )

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'bge-m3-sentence-transformers-'))
    const vocabularies = {
      wordpiece: join(directory, 'wordpiece'),
      unigram: join(directory, 'unigram'),
    }
    for (const folder of Object.values(vocabularies)) await mkdir(folder)
    await writeFile(join(vocabularies.wordpiece, 'vocab.txt'), await bertVocabulary())
    const gguf = await GgufFile.open(await standinPath({ size: 'tiny' }))
    const unigram = tokenizerJson(await readGgufVocabulary(gguf))
    await gguf.close()
    await writeFile(join(vocabularies.unigram, 'tokenizer.json'), unigram)
    const classes = { wordpiece: 'BertTokenizer', unigram: 'XLMRobertaTokenizer' }
    for (const [name, folder] of Object.entries(vocabularies)) {
      const tokenizer = { tokenizer_class: classes[name as keyof typeof classes] }
      await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(tokenizer))
    }
    const spec = join(directory, 'spec.json')
    const placed = cases.map((one) => ({ ...one, output: join(directory, one.name) }))
    await writeFile(spec, JSON.stringify({ texts, vocabularies, cases: placed }))
    const script = join(import.meta.dirname, 'tools', 'make_checkpoints.py')
    const env = { ...process.env, HF_HUB_OFFLINE: '1' }
    await promisify(execFile)(python as string, [script, spec], { env, maxBuffer: 1 << 26 })
  })
  afterAll(() => rm(directory, { recursive: true, force: true }))

  it.each(cases)('agrees in $name', async ({ name, maxTokens }) => {
    const place = join(directory, name)
    const expected = JSON.parse(await readFile(join(place, 'expected.json'), 'utf8')) as number[][]
    const output = join(place, 'model.gguf')
    await convertCheckpoint(join(place, 'saved'), { output, type: 'f32' })
    const model = await Embedder.load({ model: output, cache: false })
    try {
      expect(model.info).toMatchObject({ maxTokens, dimensions: expected[0]?.length })
      const options = { truncate: 'end', normalize: false } as const
      const found = await model.embed(texts, options)
      const nearness = found.map(({ dense }, i) => cosine(dense, expected[i] as number[]))
      expect(Math.min(...nearness)).toBeGreaterThan(1 - TOLERANCE)
      // would another text's vector pass as well? It is a hundred times as far at least
      const others = expected.map((one, i) => cosine(one, expected.at(i - 1) as number[]))
      expect(others.reduce((sum, one) => sum + one, 0) / others.length).toBeLessThan(
        1 - 100 * TOLERANCE,
      )
      // the bits of a text alone
      for (const at of [0, 7, 99]) {
        const alone = await model.embed(texts[at] as string, options)
        expect(alone.dense).toEqual(found[at]?.dense)
      }
    } finally {
      await model.dispose()
      await rm(place, { recursive: true, force: true })
    }
  })
})
