/**
 * Test code: BERT's uncased tokenizer, written from its description and apart from the C++ one.
 * Hugging Face takes character categories from Unicode 8, this one from the running Node: compare the
 * two on `inUnicode8` characters only.
 */
import type { ReferenceVocabulary } from './vocabulary.js'

const CONTROL = 3
const MAX_CHARACTERS = 100
const IDEOGRAPH =
  /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu
const PUNCTUATION = /[\p{P}!-/:-@[-`{-~]/u

/** Blocks in which no character has come or changed its category since Unicode 8. */
export function inUnicode8(code: number): boolean {
  const blocks = [
    [0x00, 0x60f],
    [0x620, 0x7ef],
    [0x900, 0x97f],
    [0xe00, 0xe7f],
    [0x1100, 0x11ff],
    [0x1e00, 0x2e42],
    [0x3000, 0x9fff],
    [0xac00, 0xd7a3],
    [0xf900, 0xffff],
    [0x1d400, 0x1d7ff],
    [0x1f300, 0x1faff],
  ]
  return blocks.some(([from, to]) => code >= (from as number) && code <= (to as number))
}

export class ReferenceWordPiece {
  readonly #pieces = new Map<string, number>()
  readonly #specials = new Map<string, number>()
  readonly #split: RegExp

  constructor({ tokens, types }: ReferenceVocabulary) {
    tokens.forEach((text, id) => {
      if (types[id] === CONTROL) this.#specials.set(text, id)
      else this.#pieces.set(text.startsWith('▁') ? text.slice(1) : `##${text}`, id)
    })
    const escaped = [...this.#specials.keys()].map((text) => text.replace(/[[\]]/g, '\\$&'))
    this.#split = new RegExp(`(${escaped.join('|')})`)
  }

  encode(text: string): number[] {
    const ids = [this.#special('[CLS]')]
    for (const part of text.split(this.#split)) {
      const id = this.#specials.get(part)
      if (id !== undefined) ids.push(id)
      else for (const word of words(part)) ids.push(...this.#cut(word))
    }
    return [...ids, this.#special('[SEP]')]
  }

  #cut(word: string): number[] {
    const characters = [...word]
    const unknown = [this.#special('[UNK]')]
    if (characters.length > MAX_CHARACTERS) return unknown
    const ids: number[] = []
    for (let start = 0; start < characters.length; ) {
      let end = characters.length
      let id: number | undefined
      for (; end > start && id === undefined; --end) {
        const text = characters.slice(start, end).join('')
        id = this.#pieces.get(start > 0 ? `##${text}` : text)
      }
      if (id === undefined) return unknown
      ids.push(id)
      start = end + 1
    }
    return ids
  }

  #special(text: string): number {
    return this.#specials.get(text) as number
  }
}

function words(text: string): string[] {
  const clean = text
    .replace(/[\0\ufffd]|(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}]/gu, '')
    .replace(/\p{White_Space}/gu, ' ')
    .replace(IDEOGRAPH, ' $& ')
  const plain = [...clean.normalize('NFD').replace(/\p{Mn}/gu, '')]
    .map((character) => character.toLowerCase())
    .join('')
  return plain
    .split(/\p{White_Space}+/u)
    .flatMap((word) => word.split(new RegExp(`(${PUNCTUATION.source})`, 'u')))
    .filter((word) => word !== '')
}
