import { beforeAll, describe, expect, it } from 'vitest'
import { locatePieces, TokenPieces } from '../../lib/model/pieces.js'
import { readReferenceVocabulary } from '../engine/tokenizer/vocabulary.js'
import { standinPath } from '../helpers/standins.js'

describe('TokenPieces', () => {
  let path: string
  beforeAll(async () => {
    path = await standinPath({ size: 'tiny' })
  })

  it("has the model's vocabulary", async () => {
    const pieces = await TokenPieces.read(path)
    const reference = await readReferenceVocabulary(path)
    expect(pieces.size).toBe(reference.tokens.length)
    for (let id = 0; id < pieces.size; id += 997)
      expect(pieces.piece(id)).toBe(reference.tokens[id])
    expect(
      [0, 1, 2, 3].map((id) => [pieces.piece(id), pieces.special(id), pieces.text(id)]),
    ).toEqual([
      ['<s>', true, ''],
      ['<pad>', true, ''],
      ['</s>', true, ''],
      ['<unk>', true, ''],
    ])
    const id = reference.tokens.indexOf('▁Welt')
    expect([pieces.text(id), pieces.special(id)]).toEqual([' Welt', false])
    for (const id of [-1, pieces.size, 0.5])
      expect([pieces.piece(id), pieces.text(id)]).toEqual(['', ''])
  })

  // counted with FlagEmbedding's `tokenizer.decode([id])` over the whole vocabulary
  it('has many tokens that are one text each, by themselves', async () => {
    const pieces = await TokenPieces.read(path)
    const ids = new Map<string, number>()
    for (let id = 0; id < pieces.size; id++) {
      const text = pieces.decoded(id)
      ids.set(text, (ids.get(text) ?? 0) + 1)
    }
    const shared = [...ids.values()].filter((count) => count > 1)
    expect(shared.reduce((sum, count) => sum + count, 0)).toBe(38_110)
  })

  it('is not there for a file that is no model', async () => {
    await expect(TokenPieces.read('/nonexistent.gguf')).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
    })
    await expect(TokenPieces.read(import.meta.filename)).rejects.toMatchObject({
      code: 'MODEL_LOAD',
    })
  })
})

describe('locatePieces', () => {
  it('finds pieces in order, repeated ones too', () => {
    expect(locatePieces('ab  ab ab', ['', ' ab', ' ab', ' a', 'b', ''])).toEqual([
      undefined,
      { start: 0, end: 2 },
      { start: 4, end: 6 },
      { start: 7, end: 8 },
      { start: 8, end: 9 },
      undefined,
    ])
  })

  it('leaves out what the tokenizer rewrote, and finds what follows', () => {
    expect(locatePieces('ｆｕｌｌ ﬁne end', [' full', ' fine', ' end'])).toEqual([
      undefined,
      undefined,
      { start: 9, end: 12 },
    ])
  })
})
