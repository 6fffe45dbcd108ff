/** The vectors that a report is about, with what is known of each. */

import { InvalidInputError } from '../../../common/errors.js'

/** What a map can be coloured by. */
export type Scalar = string | number | boolean

/** Rows in file order. */
export interface VectorTable {
  ids: string[]
  /** Start of each row's text, as far as texts are known. */
  texts: (string | undefined)[]
  metadata: (Readonly<Record<string, Scalar>> | undefined)[]
  /** `rows` x `cols`, row-major; a row whose length is another is NaN here and kept in `odd`. */
  data: Float32Array
  rows: number
  cols: number
  /** Vectors of another length than the first one's, by row. */
  odd: ReadonlyMap<number, Float32Array>
  /** Texts that have no vector because they failed: error code -> how many. */
  failures: ReadonlyMap<string, number>
}

/** Rows to make room for when nobody can say how many there will be. */
const FIRST_ROWS = 1024

/** Makes a table row by row; memory that is set aside but not written to costs nothing. */
export class TableBuilder {
  readonly #ids: string[] = []
  readonly #texts: (string | undefined)[] = []
  readonly #metadata: (Readonly<Record<string, Scalar>> | undefined)[] = []
  readonly #odd = new Map<number, Float32Array>()
  readonly #failures = new Map<string, number>()
  #data = new Float32Array(0)
  #cols = -1
  /** How many rows there will be, as far as one can tell. */
  expectedRows = FIRST_ROWS

  get rows(): number {
    return this.#ids.length
  }

  add(
    id: string,
    vector: ArrayLike<number>,
    more: {
      text?: string | undefined
      metadata?: Readonly<Record<string, Scalar>> | undefined
    } = {},
  ): void {
    const row = this.rows
    if (this.#cols < 0) this.#cols = vector.length
    this.#ids.push(id)
    this.#texts.push(more.text)
    this.#metadata.push(more.metadata)
    this.#reserve(row + 1)
    const at = row * this.#cols
    if (vector.length === this.#cols) {
      this.#data.set(vector, at)
    } else {
      this.#data.fill(Number.NaN, at, at + this.#cols)
      this.#odd.set(row, Float32Array.from(vector))
    }
  }

  fail(code: string): void {
    this.#failures.set(code, (this.#failures.get(code) ?? 0) + 1)
  }

  /** @throws InvalidInputError when there is no vector at all */
  finish(name: string): VectorTable {
    const rows = this.rows
    if (rows === 0) {
      const failed = this.#failures.size > 0 ? ': all of its texts failed' : ''
      throw new InvalidInputError(`${name} holds no vectors${failed}.`)
    }
    return {
      ids: this.#ids,
      texts: this.#texts,
      metadata: this.#metadata,
      data: this.#data.subarray(0, rows * this.#cols),
      rows,
      cols: this.#cols,
      odd: this.#odd,
      failures: this.#failures,
    }
  }

  #reserve(rows: number): void {
    if (this.#data.length >= rows * this.#cols) return
    const held = this.#cols === 0 ? 0 : this.#data.length / this.#cols
    const grown = new Float32Array(Math.max(this.expectedRows, Math.ceil(held * 1.5)) * this.#cols)
    grown.set(this.#data)
    this.#data = grown
  }
}

/** The members of an object that a map can be coloured by. */
export function scalars(value: unknown): Readonly<Record<string, Scalar>> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const entries = Object.entries(value).filter((entry): entry is [string, Scalar] => {
    const member: unknown = entry[1]
    return (
      typeof member === 'string' || typeof member === 'boolean' || Number.isFinite(member as number)
    )
  })
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}

const TEXT_START = 280

/** Enough of a text to know it by, without cutting a character in two. */
export function textStart(text: string): string {
  const line = text
    .slice(0, TEXT_START + 40)
    .replace(/\s+/gu, ' ')
    .trim()
  if (line.length <= TEXT_START) return line
  return `${line.slice(0, TEXT_START).replace(/[\uD800-\uDBFF]$/, '')}…`
}
