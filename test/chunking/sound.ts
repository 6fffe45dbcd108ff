/** What holds of the chunks of every text, for as many random texts as there is time for. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { chunkText } from '../../lib/chunking/chunk-text.js'
import type { TextChunk } from '../../lib/chunking/types.js'
import { Embedder } from '../../lib/index.js'
import { standinPath } from '../helpers/standins.js'
import { paragraphs } from '../helpers/texts.js'

/** What each chunk adds to the one before, joined. */
export function rejoined(chunks: readonly TextChunk[]): string {
  let at = 0
  return chunks
    .map((chunk) => {
      const own = chunk.text.slice(at - chunk.start)
      at = chunk.end
      return own
    })
    .join('')
}

const wellFormed = (text: string) => (text as string & { toWellFormed(): string }).toWellFormed()

interface Limits {
  maxTokens: number
  overlap: number
}

async function expectSound(
  m3: Embedder,
  text: string,
  chunks: TextChunk[],
  limits: Limits,
): Promise<void> {
  expect(rejoined(chunks)).toBe(text)
  const graphemes = new Set([0, text.length])
  for (const { index } of new Intl.Segmenter('en').segment(text)) graphemes.add(index)
  const counts = await m3.countTokens(chunks.map((chunk) => chunk.text))
  let before: TextChunk | undefined
  for (const [i, chunk] of chunks.entries()) {
    expect(chunk.text).toBe(text.slice(chunk.start, chunk.end))
    expect(chunk.text.length).toBeGreaterThan(0)
    expect(chunk.tokenCount).toBe(counts[i])
    expect(chunk.tokenCount).toBeLessThanOrEqual(limits.maxTokens)
    expect(graphemes.has(chunk.start)).toBe(true)
    expect(graphemes.has(chunk.end)).toBe(true)
    if (before) {
      expect(chunk.start).toBeGreaterThan(before.start)
      expect(chunk.start).toBeLessThanOrEqual(before.end)
      expect(chunk.end).toBeGreaterThan(before.end)
      const repeated = await m3.countTokens(text.slice(chunk.start, before.end))
      expect(repeated - 2).toBeLessThanOrEqual(limits.overlap)
    }
    before = chunk
  }
}

/** `runs` samples of each kind of text. */
export function chunksAreSound(runs: { real: number; random: number; monsterSize: number }): void {
  describe('chunks', () => {
    let m3: Embedder
    beforeAll(async () => {
      m3 = await Embedder.load({ model: await standinPath({ size: 'tiny' }) })
    })
    afterAll(() => m3.dispose())

    it.each(['en', 'de', 'zh', 'ar'] as const)(
      `cuts %s within its limits, at sentences, ${runs.real} times`,
      async (l) => {
        const list = paragraphs(l).map((p) => p.text)
        await fc.assert(
          fc.asyncProperty(
            fc.integer({ min: 0, max: list.length - 6 }),
            fc.integer({ min: 1, max: 6 }),
            fc.integer({ min: 16, max: 600 }),
            fc.integer({ min: 0, max: 50 }),
            fc.constantFrom('\n\n', '\n', ' ', '\r\n\r\n'),
            async (from, count, maxTokens, asked, glue) => {
              const text = list.slice(from, from + count).join(glue)
              const overlap = asked % Math.floor(maxTokens / 2)
              const chunks = await chunkText(text, { maxTokens, overlap, tokenizer: m3 })
              await expectSound(m3, text, chunks, { maxTokens, overlap })
            },
          ),
          { numRuns: runs.real },
        )
        const text = list.slice(0, 40).join('\n\n')
        const chunks = await chunkText(text, { tokenizer: m3 })
        await expectSound(m3, text, chunks, { maxTokens: 500, overlap: 50 })
        // 500 and 50 by default: well filled, and nearly all cut behind a sentence or a paragraph
        const inner = chunks.slice(0, -1)
        const mean = inner.reduce((sum, { tokenCount }) => sum + tokenCount, 0) / inner.length
        expect(mean).toBeGreaterThan(350)
        const clean = inner.filter(({ text: t }) => /[.!?。！？؟…”"»)）:]\s*$/u.test(t)).length
        expect(clean / inner.length).toBeGreaterThan(0.9)
        const repeats = chunks.slice(1).filter(({ start }, i) => start < (chunks[i]?.end as number))
        expect(repeats.length / inner.length).toBeGreaterThan(0.9)
      },
    )

    it(`covers random Unicode ${runs.random} times, never over the limit, never inside a grapheme`, async () => {
      const hard = fc.oneof(
        fc.string({ unit: 'grapheme', maxLength: 80 }),
        fc.string({ unit: 'binary', maxLength: 80 }),
        fc.constantFrom(
          '\r\n',
          '\n\n',
          ' \u0301',
          '\u0600',
          '\u200d',
          '🇩',
          '👩‍🚀',
          '한국어',
          'क्षि',
          'ﷺ',
          '\0',
        ),
        fc.constantFrom('word ', '。', '. ', '「', 'ไทยแลนด์'),
      )
      await fc.assert(
        fc.asyncProperty(
          fc.array(hard, { minLength: 1, maxLength: 30 }),
          fc.integer({ min: 40, max: 90 }),
          fc.integer({ min: 0, max: 20 }),
          async (parts, maxTokens, overlap) => {
            const text = wellFormed(parts.join(''))
            if (text === '') return
            const chunks = await chunkText(text, { maxTokens, overlap, tokenizer: m3 })
            await expectSound(m3, text, chunks, { maxTokens, overlap })
          },
        ),
        { numRuns: runs.random },
      )
    })

    it(`of ${runs.monsterSize} times the same are made in linear time`, async () => {
      const monsters = {
        word: 'qx7',
        marks: '\u0301',
        blanks: ' ',
        flags: '🇩🇪',
        zh: '天地玄黃宇宙洪荒',
        newlines: 'a\n',
      }
      for (const [name, unit] of Object.entries(monsters)) {
        const text = `a${unit.repeat(runs.monsterSize / unit.length)}`
        let counted = 0
        const tokenizer = {
          countTokens: (texts: readonly string[]) => {
            for (const { length } of texts) counted += length
            return m3.countTokens(texts)
          },
        }
        const chunks = await chunkText(text, { tokenizer })
        expect(rejoined(chunks) === text, name).toBe(true)
        expect(Math.max(...chunks.map((c) => c.tokenCount)), name).toBeLessThanOrEqual(500)
        expect(counted / text.length, name).toBeLessThan(4)
      }
    })

    it('are made without holding up the event loop', async () => {
      let text = paragraphs('en')
        .map((p) => p.text)
        .join('\n\n')
      while (text.length < runs.monsterSize * 10) text += text
      text = text.slice(0, runs.monsterSize * 10)
      // a clock by which every piece of work takes long: who looks at it lets the others have a turn
      let clock = 0
      const now = vi.spyOn(performance, 'now').mockImplementation(() => (clock += 10))
      let turns = 0
      const turn = () => {
        turns++
        next = setImmediate(turn)
      }
      let next = setImmediate(turn)
      const turnsAtCall: number[] = []
      const tokenizer = {
        countTokens: (texts: readonly string[]) => {
          turnsAtCall.push(turns)
          return texts.map((t) => t.length)
        },
      }
      const chunks = await chunkText(text, { tokenizer })
      clearImmediate(next)
      now.mockRestore()
      expect(rejoined(chunks) === text).toBe(true)
      expect(chunks.length).toBeGreaterThan(text.length / 2500)
      // while borders are looked for, and while it is cut
      expect(turnsAtCall[1]).toBeGreaterThan(text.length / 2000)
      expect(turns - (turnsAtCall[1] as number)).toBeGreaterThanOrEqual(chunks.length - 1)
    })
  })
}
