/** Which ids were there already, for millions of them: 16 bytes of a hash each instead of the id. */

import { createHash } from 'node:crypto'

const WORDS = 4

export class IdSet {
  /** Open addressing: `WORDS` words a place, all zero where it is free. */
  #table = new Uint32Array(1024 * WORDS)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** @returns whether it is new */
  add(id: string): boolean {
    if (this.#size * 2 >= this.#table.length / WORDS) this.#grow()
    const digest = createHash('sha256').update(id, 'utf16le').digest()
    const words = Uint32Array.from({ length: WORDS }, (_, i) => digest.readUInt32LE(4 * i))
    // a free place is all zero
    words[0] = (words[0] as number) | 1
    if (!put(this.#table, words, 0)) return false
    this.#size++
    return true
  }

  #grow(): void {
    const old = this.#table
    this.#table = new Uint32Array(old.length * 2)
    for (let at = 0; at < old.length; at += WORDS) {
      if (old[at] !== 0) put(this.#table, old, at)
    }
  }
}

/** @returns false where it is there already */
function put(table: Uint32Array, words: Uint32Array, from: number): boolean {
  const places = table.length / WORDS
  let place = (words[from + 1] as number) % places
  for (;;) {
    const at = place * WORDS
    if (table[at] === 0) {
      for (let i = 0; i < WORDS; i++) table[at + i] = words[from + i] as number
      return true
    }
    let isSame = true
    for (let i = 0; i < WORDS; i++) isSame &&= table[at + i] === words[from + i]
    if (isSame) return false
    place = (place + 1) % places
  }
}
