import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chunkDocument } from '../../lib/chunking/chunk-document.js'
import { chunkText } from '../../lib/chunking/chunk-text.js'
import { Embedder, InvalidInputError } from '../../lib/index.js'
import { standinPath } from '../helpers/standins.js'
import { mixedTexts } from '../helpers/texts.js'
import { chunksAreSound, rejoined } from './sound.js'

let m3: Embedder

beforeAll(async () => {
  m3 = await Embedder.load({ model: await standinPath({ size: 'tiny' }) })
})

afterAll(() => m3.dispose())

/** A tokenizer of one token a code point, without begin and end. */
const codePoints = { countTokens: (texts: readonly string[]) => texts.map((t) => [...t].length) }

describe('chunkText on real text', () => {
  it('gives a text that fits as it is', async () => {
    const chunks = await chunkText('Short.', { tokenizer: m3 })
    expect(chunks).toEqual([{ text: 'Short.', start: 0, end: 6, tokenCount: 4 }])
    expect(await chunkText('', { tokenizer: m3 })).toEqual([])
    const blank = '\n\n   \u3000\n'
    expect(rejoined(await chunkText(blank, { tokenizer: m3 }))).toBe(blank)
  })

  it('embeds what it cut: no chunk is too long for its limit', async () => {
    const text = mixedTexts(12).join('\n\n')
    const chunks = await chunkText(text, { maxTokens: 64, overlap: 8, tokenizer: m3 })
    const counts = await m3.countTokens(chunks.map((chunk) => chunk.text))
    expect(Math.max(...counts)).toBeLessThanOrEqual(64)
    expect(Math.max(...counts)).toBeGreaterThan(56)
  })
})

describe('borders', () => {
  it('prefers paragraphs, then sentences, then lines, then words', async () => {
    const cut = async (text: string, maxTokens: number) =>
      (await chunkText(text, { maxTokens, overlap: 0, tokenizer: codePoints })).map((c) => c.text)
    expect(await cut('One two. Three.\n\nFour five six. Seven.', 24)).toEqual([
      'One two. Three.\n\n',
      'Four five six. Seven.',
    ])
    expect(await cut('One two three. Four five six seven. Eight.', 25)).toEqual([
      'One two three. ',
      'Four five six seven. ',
      'Eight.',
    ])
    expect(await cut('alpha beta\ngamma delta\nepsilon', 14)).toEqual([
      'alpha beta\n',
      'gamma delta\n',
      'epsilon',
    ])
    expect(await cut('alpha, beta (gamma) delta', 13)).toEqual(['alpha, beta ', '(gamma) delta'])
    expect(await cut('abcdefghij', 4)).toEqual(['abcd', 'efgh', 'ij'])
  })

  it('takes a hard-wrapped sentence as one', async () => {
    const text = 'A first sentence that is\nwrapped here. And the\nsecond one follows now.'
    const chunks = await chunkText(text, { maxTokens: 60, overlap: 0, tokenizer: codePoints })
    expect(chunks.map((c) => c.text)).toEqual([
      'A first sentence that is\nwrapped here. ',
      'And the\nsecond one follows now.',
    ])
  })

  it('repeats a whole sentence where it fits, else words', async () => {
    const text = 'First sentence here. Second one. Third sentence comes. Fourth.'
    const chunks = await chunkText(text, { maxTokens: 36, overlap: 14, tokenizer: codePoints })
    expect(chunks[1]?.text.startsWith('Second one. ')).toBe(true)
    const long = 'aaaa bbbb cccc dddd eeee ffff gggg hhhh iiii'
    const parts = await chunkText(long, { maxTokens: 20, overlap: 6, tokenizer: codePoints })
    expect(parts[1]?.text.startsWith('dddd ')).toBe(true)
  })

  it('cuts no grapheme behind a paragraph either', async () => {
    // the mark sits on the last blank: one grapheme
    const text = 'aaaa bbbb.\n\n \u0301cccc dddd eeee ffff'
    const chunks = await chunkText(text, { maxTokens: 18, overlap: 0, tokenizer: codePoints })
    expect(rejoined(chunks)).toBe(text)
    for (const { text: part } of chunks) expect(part).not.toMatch(/^\u0301/)
  })

  it('cuts no grapheme', async () => {
    const family = '👨‍👩‍👧‍👦'
    const text = `${family.repeat(20)}${'e\u0301'.repeat(30)}${'🇩🇪'.repeat(20)}`
    const chunks = await chunkText(text, { maxTokens: 16, overlap: 0, tokenizer: codePoints })
    expect(rejoined(chunks)).toBe(text)
    for (const { text: part } of chunks) {
      expect([...new Intl.Segmenter().segment(part)].map((s) => s.segment).join('')).toBe(part)
      expect(part).not.toMatch(/^[\u200d\u0301]/)
      expect([...part.matchAll(/[\u{1f1e6}-\u{1f1ff}]/gu)].length % 2).toBe(0)
    }
  })

  it('cuts a grapheme that alone is too long, but no surrogate pair', async () => {
    const text = `a${'\u{1d165}'.repeat(100)}`
    const chunks = await chunkText(text, { maxTokens: 7, overlap: 0, tokenizer: codePoints })
    expect(rejoined(chunks)).toBe(text)
    for (const chunk of chunks) {
      expect((chunk.text as string & { isWellFormed(): boolean }).isWellFormed()).toBe(true)
      expect(chunk.tokenCount).toBeLessThanOrEqual(7)
    }
  })
})

chunksAreSound({ real: 5, random: 200, monsterSize: 100_000 })

describe('options', () => {
  it('refuses what it cannot do', async () => {
    const bad = [
      [7, { tokenizer: m3 }],
      ['a\ud800', { tokenizer: m3 }],
      ['a', {}],
      ['a', undefined],
      ['a', { tokenizer: {} }],
      ['a', { tokenizer: m3, maxTokens: 2 }],
      ['a', { tokenizer: m3, maxTokens: 10.5 }],
      ['a', { tokenizer: m3, overlap: -1 }],
      ['a', { tokenizer: m3, maxTokens: 20, overlap: 11 }],
      ['a', { tokenizer: m3, language: 'not a language' }],
      ['a', { tokenizer: { countTokens: () => [] } }],
      ['a', { tokenizer: { countTokens: () => ['1'] } }],
      ['a', { tokenizer: { countTokens: () => [600] } }],
    ] as [string, never][]
    for (const [text, options] of bad) {
      await expect(chunkText(text, options)).rejects.toThrow(InvalidInputError)
    }
  })

  it('says where a character does not fit, without showing it', async () => {
    const error = await chunkText('a ﷺ', { maxTokens: 4, overlap: 0, tokenizer: m3 }).catch(
      (e) => e,
    )
    expect(error).toBeInstanceOf(InvalidInputError)
    expect(error.message).not.toContain('ﷺ')
  })

  it('stops with the signal’s reason', async () => {
    const reason = new Error('enough')
    const text = mixedTexts(200).join('\n\n')
    const early = AbortSignal.abort(reason)
    await expect(chunkText(text, { tokenizer: m3, signal: early })).rejects.toBe(reason)
    const controller = new AbortController()
    let calls = 0
    const tokenizer = {
      countTokens: (texts: readonly string[]) => {
        if (++calls === 5) controller.abort(reason)
        return m3.countTokens(texts)
      },
    }
    const work = chunkText(text, { tokenizer, signal: controller.signal })
    await expect(work).rejects.toBe(reason)
    expect(calls).toBeLessThan(8)
  })
})

describe('chunkDocument', () => {
  it('gives ids and says where each chunk comes from', async () => {
    const text = mixedTexts(8).join('\n\n')
    const chunks = await chunkDocument('guide', text, { maxTokens: 100, overlap: 0, tokenizer: m3 })
    expect(chunks.length).toBeGreaterThan(5)
    expect(chunks.map(({ text: t }) => t).join('')).toBe(text)
    expect(chunks[1]).toMatchObject({ id: 'guide#1', metadata: { document: 'guide', part: 1 } })
    expect(text.slice(chunks[1]?.metadata.start, chunks[1]?.metadata.end)).toBe(chunks[1]?.text)
    await expect(chunkDocument('', text, { tokenizer: m3 })).rejects.toThrow(InvalidInputError)
  })
})
