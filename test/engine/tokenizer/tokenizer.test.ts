import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Embedder } from '../../../lib/embedder/embedder.js'
import { findVocab } from '../../../lib/model/standin/vocabulary.js'
import { standinPath } from '../../helpers/standins.js'
import { randomNumbers, randomText } from './random-texts.js'
import { ReferenceTokenizer } from './reference.js'
import { type ReferenceVocabulary, readReferenceVocabulary } from './vocabulary.js'
import { inUnicode8, ReferenceWordPiece } from './wordpiece-reference.js'

const RANDOM_TEXTS = process.env.BGE_M3_TEST_LONG ? 100_000 : 10_000
// The Unicode version of the C++ tables. Another one in this Node knows other combining marks.
const TABLES_UNICODE = '17.0'

interface GoldCase {
  text: string
  ids: number[]
}
async function readGold(name: string): Promise<GoldCase[]> {
  const file = path.resolve(import.meta.dirname, '../../fixtures/tokenizer', name)
  return JSON.parse(await readFile(file, 'utf8'))
}

async function idsOf(embedder: Embedder, text: string): Promise<number[]> {
  return Array.from((await embedder.tokenize(text)).ids)
}

/** The text as escapes, so that a failure shows what it is about. */
const visible = (text: string) =>
  [...text].map((c) => (/[!-~]/.test(c) ? c : `U+${c.codePointAt(0)?.toString(16)}`)).join(' ')

function inOldUnicode(code: number): boolean {
  // Of a Node with older tables, use what it knows; of a newer one, what cannot be newer.
  return process.versions.unicode === TABLES_UNICODE
    ? true
    : inUnicode8(code) && !/\p{Cn}/u.test(String.fromCodePoint(code))
}

describe('XLM-RoBERTa', () => {
  let vocabulary: ReferenceVocabulary
  let reference: ReferenceTokenizer
  let embedder: Embedder

  beforeAll(async () => {
    vocabulary = await readReferenceVocabulary(await findVocab('bge-m3'))
    reference = new ReferenceTokenizer(vocabulary)
    embedder = await Embedder.load({ model: await standinPath({ size: 'tiny' }) })
  })
  afterAll(() => embedder.dispose())

  test.each(['xlmr-gold.json', 'xlmr-adversarial.json'])('%s', async (name) => {
    for (const { text, ids } of await readGold(name)) {
      expect(await idsOf(embedder, text), visible(text)).toEqual(ids)
      expect(reference.encode(text), `reference: ${visible(text)}`).toEqual(ids)
    }
  })

  test(`${RANDOM_TEXTS} random texts agree with the reference`, async () => {
    const random = randomNumbers(20240601)
    const pieces = vocabulary.tokens.slice(4, 250_001)
    for (let i = 0; i < RANDOM_TEXTS; ++i) {
      const text = randomText(random, { pieces, accept: inOldUnicode })
      const ids = await idsOf(embedder, text)
      // expect() on every text would take most of the time
      const wanted = reference.encode(text)
      if (ids.join() !== wanted.join()) expect(ids, `#${i}: ${visible(text)}`).toEqual(wanted)
    }
  })
})

describe('BERT', () => {
  let vocabulary: ReferenceVocabulary
  let reference: ReferenceWordPiece
  let embedder: Embedder

  beforeAll(async () => {
    vocabulary = await readReferenceVocabulary(await findVocab('minilm'))
    reference = new ReferenceWordPiece(vocabulary)
    embedder = await Embedder.load({ model: await standinPath({ size: 'tiny', arch: 'minilm' }) })
  })
  afterAll(() => embedder.dispose())

  test('bert-uncased-gold.json', async () => {
    for (const { text, ids } of await readGold('bert-uncased-gold.json'))
      expect(await idsOf(embedder, text), visible(text)).toEqual(ids)
  })

  test('3000 random texts agree with the reference', async () => {
    const random = randomNumbers(7)
    const pieces = vocabulary.tokens.slice(1000)
    for (let i = 0; i < 3000; ++i) {
      const text = randomText(random, { pieces, accept: inUnicode8 })
      const ids = await idsOf(embedder, text)
      const wanted = reference.encode(text)
      if (ids.join() !== wanted.join()) expect(ids, `#${i}: ${visible(text)}`).toEqual(wanted)
    }
  })
})
