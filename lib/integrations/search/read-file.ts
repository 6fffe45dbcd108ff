/** A file to the chunks that are to be in the index. */

import { createHash } from 'node:crypto'
import { chunkText } from '../../chunking/chunk-text.js'
import type { TokenCounter } from '../../chunking/types.js'
import type { AbortSignalLike } from '../../common/abort.js'
import { InvalidInputError } from '../../common/errors.js'
import { decodeText } from './decode.js'
import type { FileState } from './files.js'
import { type HtmlText, loadHtml } from './html.js'
import { lineAt, lineStarts } from './lines.js'
import type { ChunkSettings, SkipReason } from './types.js'
import { readWhole } from './walk.js'

export interface ReadFile {
  state: FileState
  /** Of its bytes, hexadecimal. */
  hash: string
  bytes: Buffer
}

export interface TextPart {
  text: string
  /** Line of the file that it begins on, from 1. */
  line: number
  /** Line that it ends on. */
  endLine: number
}

/** @throws InvalidInputError when it cannot be read */
export async function readBytes(path: string): Promise<ReadFile> {
  const { bytes, state } = await readWhole(path)
  return { bytes, state, hash: createHash('sha256').update(bytes).digest('hex').slice(0, 32) }
}

/** Cuts the texts of files; what it needs for HTML is loaded with the first such file. */
export class FileCutter {
  readonly #tokenizer: TokenCounter
  readonly #settings: ChunkSettings
  readonly #signal: AbortSignalLike | undefined
  #html: ((source: string) => Promise<HtmlText>) | undefined

  constructor(
    tokenizer: TokenCounter,
    settings: ChunkSettings,
    signal: AbortSignalLike | undefined,
  ) {
    this.#tokenizer = tokenizer
    this.#settings = settings
    this.#signal = signal
  }

  /**
   * The parts of a file, or why it has none.
   *
   * @throws InvalidInputError when its bytes are not what they should be
   */
  async cut(bytes: Buffer, isHtml: boolean): Promise<TextPart[] | SkipReason> {
    const source = decodeText(bytes, isHtml)
    if (source === undefined) return 'binary'
    if (isHtml && !this.#html) {
      try {
        this.#html = await loadHtml()
      } catch (error) {
        if (error instanceof InvalidInputError) return 'no-html-parser'
        throw error
      }
    }
    const { text, lineOf } = isHtml && this.#html ? await this.#html(source) : plain(source)
    if (text.trim() === '') return 'empty'
    const chunks = await chunkText(text, {
      ...this.#settings,
      tokenizer: this.#tokenizer,
      ...(this.#signal && { signal: this.#signal }),
    })
    return chunks
      .filter((chunk) => chunk.text.trim() !== '')
      .map((chunk) => ({
        text: chunk.text,
        line: lineOf(chunk.start + blanksOf(chunk.text)),
        endLine: lineOf(chunk.start + chunk.text.trimEnd().length - 1),
      }))
  }
}

/** A chunk may begin with blank lines. */
const blanksOf = (text: string) => text.length - text.trimStart().length

function plain(text: string): HtmlText {
  const starts = lineStarts(text)
  return { text, lineOf: (offset) => lineAt(starts, offset) }
}
