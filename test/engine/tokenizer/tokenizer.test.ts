import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Embedder } from '../../../lib/embedder/embedder.js'
import { findVocab } from '../../../lib/model/standin/vocabulary.js'
import { standinPath } from '../../helpers/standins.js'
import { bertAgrees, idsOf, visible, xlmrAgrees } from './agreement.js'
import { ReferenceTokenizer } from './reference.js'
import { readReferenceVocabulary } from './vocabulary.js'

interface GoldCase {
  text: string
  ids: number[]
}
async function readGold(name: string): Promise<GoldCase[]> {
  const file = path.resolve(import.meta.dirname, '../../fixtures/tokenizer', name)
  return JSON.parse(await readFile(file, 'utf8'))
}

describe('XLM-RoBERTa', () => {
  let reference: ReferenceTokenizer
  let embedder: Embedder

  beforeAll(async () => {
    reference = new ReferenceTokenizer(await readReferenceVocabulary(await findVocab('bge-m3')))
    embedder = await Embedder.load({ model: await standinPath({ size: 'tiny' }) })
  })
  afterAll(() => embedder.dispose())

  test.each(['xlmr-gold.json', 'xlmr-adversarial.json'])('%s', async (name) => {
    for (const { text, ids } of await readGold(name)) {
      expect(await idsOf(embedder, text), visible(text)).toEqual(ids)
      expect(reference.encode(text), `reference: ${visible(text)}`).toEqual(ids)
    }
  })
})

xlmrAgrees(3000)

describe('BERT', () => {
  let embedder: Embedder

  beforeAll(async () => {
    embedder = await Embedder.load({ model: await standinPath({ size: 'tiny', arch: 'minilm' }) })
  })
  afterAll(() => embedder.dispose())

  test('bert-uncased-gold.json', async () => {
    for (const { text, ids } of await readGold('bert-uncased-gold.json'))
      expect(await idsOf(embedder, text), visible(text)).toEqual(ids)
  })
})

bertAgrees(1000)
