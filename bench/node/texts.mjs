// Real text for the benchmarks: XQuAD paragraphs, never repeated words.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const fixtures = path.resolve(
  path.dirname(fileURLToPath(import.meta.url)),
  '../../test/fixtures/xquad',
)

/** All paragraphs of the named languages, languages taken in turn. */
export function loadParagraphs(languages = ['en', 'de', 'zh', 'ar']) {
  const lists = languages.map((language) =>
    JSON.parse(fs.readFileSync(path.join(fixtures, `${language}.json`), 'utf8')).map((p) => p.text),
  )
  return lists[0].flatMap((_, i) => lists.map((list) => list[i]))
}

/**
 * `count` texts of exactly `tokens` tokens, cut from paragraphs that follow one another: words are added
 * until the text is longer, then letters are taken off its end.
 */
export async function chunkOfTokens(m3, paragraphs, tokens, count) {
  const chunks = []
  let at = 0
  while (chunks.length < count) {
    let text = ''
    while ((await m3.countTokens(text)) < tokens) {
      text += `${text ? ' ' : ''}${paragraphs[at++ % paragraphs.length]}`
    }
    chunks.push(await cutToTokens(m3, text, tokens))
  }
  return chunks
}

/** `count` different texts of exactly `tokens` tokens, made of sentences in seeded orders. */
export async function distinctTexts(m3, tokens, count) {
  const sentences = sentencesOf(loadParagraphs())
  const found = new Set()
  for (let seed = 1; found.size < count && seed < 20; seed++) {
    // as many as an order has sentences for, so that few are met twice
    const some = Math.min(count, Math.floor((sentences.length * 25) / Math.max(25, tokens)))
    for (const text of await chunkOfTokens(m3, shuffled(sentences, seed), tokens, some))
      found.add(text)
  }
  if (found.size < count) throw new Error(`only ${found.size} different texts of ${tokens} tokens`)
  return [...found].slice(0, count)
}

/** The longest beginning of `text` that has at most `tokens` tokens. */
async function cutToTokens(m3, text, tokens) {
  const letters = [...text]
  let low = 0
  let high = letters.length
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if ((await m3.countTokens(letters.slice(0, middle).join(''))) <= tokens) low = middle
    else high = middle - 1
  }
  return letters.slice(0, low).join('')
}

/** The sentences of texts, each once. */
export function sentencesOf(texts) {
  const segmenter = new Intl.Segmenter(undefined, { granularity: 'sentence' })
  const sentences = texts.flatMap((text) =>
    [...segmenter.segment(text)].map(({ segment }) => segment.trim()).filter((s) => s.length > 0),
  )
  return [...new Set(sentences)]
}

/** A new array in a seeded random order (Fisher-Yates). */
export function shuffled(items, seed) {
  const result = [...items]
  let x = seed | 0 || 1
  for (let i = result.length - 1; i > 0; i--) {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    const j = (x >>> 0) % (i + 1)
    ;[result[i], result[j]] = [result[j], result[i]]
  }
  return result
}
