/** Random texts, tokenized by the addon and by an independent implementation. */
import { expect, it } from 'vitest'
import { Embedder } from '../../../lib/embedder/embedder.js'
import { findVocab } from '../../../lib/model/standin/vocabulary.js'
import { standinPath } from '../../helpers/standins.js'
import { randomNumbers, randomText } from './random-texts.js'
import { ReferenceTokenizer } from './reference.js'
import { readReferenceVocabulary } from './vocabulary.js'
import { inUnicode8, ReferenceWordPiece } from './wordpiece-reference.js'

// The Unicode version of the C++ tables. Another one in this Node knows other combining marks.
const TABLES_UNICODE = '17.0'

export async function idsOf(embedder: Embedder, text: string): Promise<number[]> {
  return Array.from((await embedder.tokenize(text)).ids)
}

/** The text as escapes, so that a failure shows what it is about. */
export const visible = (text: string) =>
  [...text].map((c) => (/[!-~]/.test(c) ? c : `U+${c.codePointAt(0)?.toString(16)}`)).join(' ')

function inOldUnicode(code: number): boolean {
  // Of a Node with older tables, use what it knows; of a newer one, what cannot be newer.
  return process.versions.unicode === TABLES_UNICODE
    ? true
    : inUnicode8(code) && !/\p{Cn}/u.test(String.fromCodePoint(code))
}

async function agree(
  arch: 'bge-m3' | 'minilm',
  texts: Iterable<string>,
  reference: { encode(text: string): number[] },
): Promise<void> {
  const embedder = await Embedder.load({ model: await standinPath({ size: 'tiny', arch }) })
  let i = 0
  for (const text of texts) {
    const ids = await idsOf(embedder, text)
    const wanted = reference.encode(text)
    // expect() on every text would take most of the time
    if (ids.join() !== wanted.join()) expect(ids, `#${i}: ${visible(text)}`).toEqual(wanted)
    i++
  }
  await embedder.dispose()
}

function* randomTexts(
  count: number,
  seed: number,
  how: Parameters<typeof randomText>[1],
): Generator<string> {
  const random = randomNumbers(seed)
  for (let i = 0; i < count; i++) yield randomText(random, how)
}

export function xlmrAgrees(count: number): void {
  it(`XLM-RoBERTa: ${count} random texts`, { timeout: 600_000 + 20 * count }, async () => {
    const vocabulary = await readReferenceVocabulary(await findVocab('bge-m3'))
    const how = { pieces: vocabulary.tokens.slice(4, 250_001), accept: inOldUnicode }
    await agree('bge-m3', randomTexts(count, 20240601, how), new ReferenceTokenizer(vocabulary))
  })
}

export function bertAgrees(count: number): void {
  it(`BERT: ${count} random texts`, { timeout: 600_000 + 20 * count }, async () => {
    const vocabulary = await readReferenceVocabulary(await findVocab('minilm'))
    const how = { pieces: vocabulary.tokens.slice(1000), accept: inUnicode8 }
    await agree('minilm', randomTexts(count, 7, how), new ReferenceWordPiece(vocabulary))
  })
}
