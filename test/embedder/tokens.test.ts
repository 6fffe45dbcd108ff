/** Tokens of texts, and texts of tokens, beside what Hugging Face's `tokenizers` gives. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DisposedError, InvalidInputError } from '../../lib/common/errors.js'
import { Embedder } from '../../lib/embedder/embedder.js'
import { Tokenizer } from '../../lib/embedder/tokenizer.js'
import { readReferenceVocabulary } from '../engine/tokenizer/vocabulary.js'
import { root } from '../helpers/child.js'
import { standinPath } from '../helpers/standins.js'

interface Gold {
  text: string
  ids: number[]
  decoded: string
  /** Code points: begin and end of each token. */
  offsets: number[]
}

/** Texts made to be difficult, with Hugging Face's answers (test/engine/tokenizer/tools/make_gold.py). */
const gold = async (name: string): Promise<Gold[]> =>
  JSON.parse(await readFile(join(root, 'test/fixtures/tokenizer', name), 'utf8'))

/** UTF-16 unit at which each code point of a text begins, and its end. */
function unitsOf(text: string): number[] {
  let at = 0
  return [...text, ''].map((character) => {
    const here = at
    at += character.length
    return here
  })
}

describe.each([
  ['unigram', 'xlmr-adversarial.json', undefined],
  ['wordpiece', 'bert-uncased-gold.json', 'bert-base'],
] as const)('%s', (kind, file, arch) => {
  let tokenizer: Tokenizer
  let texts: Gold[]
  beforeAll(async () => {
    tokenizer = await Tokenizer.load(await standinPath({ size: 'tiny', ...(arch && { arch }) }))
    texts = await gold(file)
  })
  afterAll(() => tokenizer.dispose())

  it('decodes as Hugging Face does', async () => {
    for (const { text, ids, decoded } of texts) {
      expect(await tokenizer.decode(ids), JSON.stringify(text)).toBe(decoded)
    }
  })

  it('says where tokens stand as Hugging Face does', async () => {
    let compared = 0
    for (const { text, ids, offsets, decoded } of texts) {
      const { pieces } = await tokenizer.tokenize(text, { pieces: true })
      expect(pieces.map(({ id }) => id)).toEqual(ids)
      // behind a character that its SentencePiece normaliser drops or joins, its offsets are off
      if (kind === 'unigram' && decoded !== text.replace(/\s+/gu, ' ').trim()) continue
      const units = unitsOf(text)
      for (const [i, { text: word, start, end }] of pieces.entries()) {
        // a space alone has no place of its own
        if (word.trim() === '') continue
        const [begin, behind] = offsets.slice(2 * i, 2 * i + 2) as [number, number]
        expect([start, end], JSON.stringify([text, word])).toEqual([units[begin], units[behind]])
        compared++
      }
    }
    expect(compared).toBeGreaterThan(1300)
  })

  it('finds every token in what it was made of', async () => {
    for (const { text } of texts) {
      const { pieces } = await tokenizer.tokenize(text, { pieces: true })
      let last = 0
      for (const { start, end } of pieces) {
        expect(start).toBeGreaterThanOrEqual(last)
        expect(end).toBeGreaterThanOrEqual(start)
        expect(end).toBeLessThanOrEqual(text.length)
        last = start
      }
      expect(pieces[0]).toMatchObject({ start: 0, end: 0, special: true })
      expect(pieces.at(-1)).toMatchObject({ start: text.length, end: text.length, special: true })
    }
  })
})

describe('Tokenizer', () => {
  let path: string
  let tokenizer: Tokenizer
  beforeAll(async () => {
    path = await standinPath({ size: 'tiny' })
    tokenizer = await Tokenizer.load({ model: path })
  })
  afterAll(() => tokenizer.dispose())

  it('is the one of an embedder of the same model', async () => {
    await using m3 = await Embedder.load({ model: path, threads: 1 })
    const { vocabSize, maxTokens } = m3.info
    expect(tokenizer.info).toEqual({ model: path, vocabSize, maxTokens })
    for (const { text } of (await gold('xlmr-adversarial.json')).slice(0, 100)) {
      const options = { pieces: true, maxTokens: 5, truncate: 'end' } as const
      const found = await tokenizer.tokenize(text, options)
      expect(found).toEqual(await m3.tokenize(text, options))
      expect(await tokenizer.countTokens(text)).toBe(await m3.countTokens(text))
      expect(await tokenizer.decode(found.ids)).toBe(await m3.decode(found.ids))
    }
    await expect(tokenizer.countTokens(['a', '\ud800'])).rejects.toMatchObject({ code: 'BATCH' })
  })

  it('lets the event loop turn while it describes many tokens, and is not disturbed by changes', async () => {
    const ids = new Int32Array(100_000).fill(17)
    let turns = 0
    const count = () => {
      turns++
      immediate = setImmediate(count)
    }
    let immediate = setImmediate(count)
    const work = tokenizer.pieces(ids)
    ids.fill(18)
    const pieces = await work
    await tokenizer.decode(ids)
    clearImmediate(immediate)
    expect(new Set(pieces.map(({ id }) => id))).toEqual(new Set([17]))
    expect(turns).toBeGreaterThan(4)
  })

  it('ends with an error when it is given back in between', async () => {
    const other = await Tokenizer.load({ model: path })
    const work = other.pieces(new Int32Array(100_000).fill(17))
    const failed = expect(work).rejects.toBeInstanceOf(DisposedError)
    await other.dispose()
    await failed
  })

  it('places tokens where a normaliser was at work', async () => {
    const words = async (text: string) => {
      const { pieces } = await tokenizer.tokenize(text, { pieces: true })
      return pieces.filter(({ special }) => !special).map((p) => text.slice(p.start, p.end))
    }
    expect(await words('cafe\u0301 ole')).toEqual(['cafe\u0301', 'ole'])
    expect((await words('\x1b[31mred'))[0]).toBe('[')
    expect((await words('ｆｕｌｌ ﬁne end')).slice(-1)).toEqual(['end'])
    expect(await words('😀 Hello')).toContain('Hello')
  })

  it('has the vocabulary, and refuses what is no token', async () => {
    const reference = await readReferenceVocabulary(path)
    const ids = reference.tokens.map((_, id) => id)
    const pieces = await tokenizer.pieces(ids)
    // llama.cpp's file has another name for it
    const named = reference.tokens.map((piece) => piece.replace('[PAD250000]', '<mask>'))
    expect(pieces.map(({ piece }) => piece)).toEqual(named)
    const special = pieces.filter((piece) => piece.special)
    expect(special.map(({ piece }) => piece)).toEqual(['<s>', '<pad>', '</s>', '<unk>', '<mask>'])
    expect(special.every(({ text }) => text === '')).toBe(true)
    expect(pieces[reference.tokens.indexOf('▁Welt')]?.text).toBe(' Welt')
    expect(await tokenizer.pieces([])).toEqual([])
    for (const id of [-1, 0.5, tokenizer.info.vocabSize, Number.NaN]) {
      await expect(tokenizer.pieces([id])).rejects.toThrow(InvalidInputError)
      await expect(tokenizer.decode([id])).rejects.toThrow(InvalidInputError)
    }
  })

  it('keeps special tokens of a decoded text where that is asked for', async () => {
    const { ids } = await tokenizer.tokenize('Hello <mask> world')
    expect(await tokenizer.decode(ids)).toBe('Hello world')
    expect(await tokenizer.decode(ids, { specialTokens: true })).toBe('<s> Hello<mask> world</s>')
  })

  // 38,110 of XLM-R's tokens share a text with another: counted with FlagEmbedding's
  // `tokenizer.decode([id])` over the whole vocabulary
  it('gives the words of lexical weights as convert_id_to_token does', async () => {
    const every = Uint32Array.from({ length: tokenizer.info.vocabSize }, (_, id) => id)
    const weights = await tokenizer.lexicalWeights({
      sparse: { indices: every, values: Float32Array.from(every, (id) => id + 1) },
    })
    const shared = new Map<string, number>()
    for (const { piece } of await tokenizer.pieces(every)) {
      const word = piece.replaceAll('▁', ' ').replace(/^ /, '')
      shared.set(word, (shared.get(word) ?? 0) + 1)
    }
    expect(weights.size).toBe(shared.size)
    const counts = [...shared.values()].filter((count) => count > 1)
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(38_110)
    // the larger one of two
    const [id] = (await tokenizer.tokenize('Hello')).ids.subarray(1)
    expect(weights.get('Hello')).toBeGreaterThanOrEqual((id as number) + 1)
    await expect(tokenizer.lexicalWeights({ dense: [1] } as never)).rejects.toThrow(/no `sparse`/)
  })

  it('is not there for a file that is no model, and after its end', async () => {
    await expect(Tokenizer.load('/nonexistent.gguf')).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
    })
    await expect(Tokenizer.load(import.meta.filename)).rejects.toMatchObject({ code: 'MODEL_LOAD' })
    const other = await Tokenizer.load(path)
    await other.dispose()
    await other.dispose()
    await expect(other.countTokens('a')).rejects.toThrow(DisposedError)
    const aborted = AbortSignal.abort(new Error('enough'))
    await expect(Tokenizer.load({ model: path, signal: aborted })).rejects.toThrow('enough')
  })
})
