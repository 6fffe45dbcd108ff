/** The pieces of a model's vocabulary: from token ids back to text. */

import { ModelLoadError } from '../common/errors.js'
import { GgufFile } from './formats/gguf/reader.js'
import type { StringArray } from './formats/gguf/values.js'

/** llama.cpp's token types, as GGUF stores them. */
const CONTROL = 3
const UNKNOWN = 2
/** Stands for a space in front of a piece. */
const SPACE_MARK = '\u2581'

/** A vocabulary in memory: some MB for XLM-R's 250,002 pieces. */
export class TokenPieces {
  private constructor(
    private readonly tokens: StringArray,
    private readonly types: Int32Array | undefined,
  ) {}

  /**
   * Reads the vocabulary of a GGUF.
   *
   * @throws ModelLoadError, ModelNotFoundError
   */
  static async read(path: string): Promise<TokenPieces> {
    const file = await GgufFile.open(path)
    try {
      const tokens = await file.strings('tokenizer.ggml.tokens')
      if (!tokens) throw new ModelLoadError(`${path} holds no vocabulary.`)
      const types = await file.numbers('tokenizer.ggml.token_type')
      return new TokenPieces(tokens, types && Int32Array.from(types as Iterable<number>))
    } finally {
      await file.close()
    }
  }

  get size(): number {
    return this.tokens.length
  }

  /** The vocabulary's own spelling, with U+2581 for a space in front; empty for an id it has not. */
  piece(id: number): string {
    return id >= 0 && id < this.tokens.length ? this.tokens.at(id) : ''
  }

  /** The piece for reading: spaces are spaces, and `<s>`, `</s>` are nothing. */
  text(id: number): string {
    return this.special(id) ? '' : this.piece(id).replaceAll(SPACE_MARK, ' ')
  }

  /** The token by itself, as a tokenizer's `decode([id])` gives it; many tokens share one. */
  decoded(id: number): string {
    return this.piece(id).replaceAll(SPACE_MARK, ' ').replace(/^ /, '')
  }

  /** `<s>`, `</s>`, `<pad>`, `<unk>` and the like. */
  special(id: number): boolean {
    const type = this.types?.[id]
    return type === CONTROL || type === UNKNOWN
  }
}

/** The vocabulary of the model in use: read when somebody asks, and kept until another model's is asked for. */
export class KeptPieces {
  #kept: { path: string; reading: Promise<TokenPieces> } | undefined

  /** Errors as {@link TokenPieces.read}; the next call tries anew then. */
  of(path: string): Promise<TokenPieces> {
    if (this.#kept?.path !== path) {
      const kept = { path, reading: TokenPieces.read(path) }
      this.#kept = kept
      kept.reading.catch(() => {
        if (this.#kept === kept) this.#kept = undefined
      })
    }
    return this.#kept.reading
  }
}

/**
 * Where each piece stands in the text it was cut from, in UTF-16 units. The tokenizer rewrites texts
 * (full-width letters, ligatures, runs of spaces), so this follows the pieces as far as they are found
 * and leaves out those that are not.
 *
 * @param pieces as {@link TokenPieces.text} gives them
 */
export function locatePieces(
  text: string,
  pieces: readonly string[],
): ({ start: number; end: number } | undefined)[] {
  let at = 0
  return pieces.map((piece) => {
    const word = piece.trimStart()
    if (word === '') return undefined
    const start = find(text, word, at)
    if (start === -1) return undefined
    at = start + word.length
    return { start, end: at }
  })
}

/** How far behind its place a piece is looked for, when the tokenizer rewrote what lay between. */
const REACH = 32

function find(text: string, word: string, from: number): number {
  let at = from
  while (at < text.length && /\s/u.test(text[at] as string)) at++
  if (text.startsWith(word, at)) return at
  const near = text.slice(at, at + REACH + word.length).indexOf(word)
  return near === -1 ? -1 : at + near
}
