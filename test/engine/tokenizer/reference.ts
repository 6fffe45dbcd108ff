/**
 * Test code: Hugging Face's XLM-RoBERTa tokenizer in its plainest form, written from the pipeline's
 * description and apart from the C++ one: grapheme clusters come from Intl.Segmenter, the charsmap is
 * unrolled into a Map, and Viterbi tries every substring of a word against a Map of pieces.
 */
import type { ReferenceVocabulary } from './vocabulary.js'

const NORMAL = 1
const UNUSED = 5
const UNKNOWN_PENALTY = 10

export class ReferenceTokenizer {
  readonly #replacements: Map<string, string>
  readonly #pieces = new Map<string, { id: number; score: number }>()
  readonly #specials = new Map<string, number>()
  readonly #split: RegExp
  readonly #longest: number
  readonly #unknownScore: number
  readonly #segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' })

  constructor({ tokens, scores, types, charsmap }: ReferenceVocabulary) {
    this.#replacements = unrollCharsmap(charsmap)
    tokens.forEach((text, id) => {
      if (types[id] === UNUSED) return
      const special = types[id] !== NORMAL
      if (special) this.#specials.set(text, id)
      this.#pieces.set(text, { id, score: special ? 0 : scoreFromJson(scores[id] as number) })
    })
    this.#split = new RegExp(`(${[...this.#specials.keys()].join('|')})`)
    const used = [...this.#pieces.values()]
    this.#unknownScore = used.reduce((low, { score }) => Math.min(low, score), 0) - UNKNOWN_PENALTY
    this.#longest = [...this.#pieces.keys()].reduce((most, text) => Math.max(most, text.length), 0)
  }

  encode(text: string): number[] {
    const ids = [this.#special('<s>')]
    for (const part of text.split(this.#split)) {
      const id = this.#specials.get(part)
      if (id !== undefined) ids.push(id)
      else for (const word of this.#words(part)) ids.push(...this.#segment([...word]))
    }
    return [...ids, this.#special('</s>')]
  }

  normalize(text: string): string {
    let out = ''
    for (const { segment: cluster } of this.#segmenter.segment(text)) {
      const whole = Buffer.byteLength(cluster) < 6 ? this.#replacement(cluster) : undefined
      if (whole !== undefined) out += whole
      else for (const character of cluster) out += this.#replacement(character) ?? character
    }
    return out
  }

  /** The replacement of the shortest key that `text` begins with. */
  #replacement(text: string): string | undefined {
    const bytes = Buffer.from(text).toString('latin1')
    for (let size = 1; size <= bytes.length; ++size) {
      const found = this.#replacements.get(bytes.slice(0, size))
      if (found !== undefined) return found
    }
    return undefined
  }

  #words(text: string): string[] {
    return this.normalize(text)
      .split(/\p{White_Space}+/u)
      .filter((word) => word !== '')
      .map((word) => (word.startsWith('▁') ? word : `▁${word}`))
      .flatMap((word) => word.match(/▁[^▁]*/gu) ?? [])
  }

  #segment(characters: string[]): number[] {
    const unknown = this.#special('<unk>')
    const best: ({ sum: number; start: number; id: number } | undefined)[] = [
      { sum: 0, start: 0, id: unknown },
    ]
    for (let start = 0; start < characters.length; ++start) {
      const { sum } = best[start] as { sum: number }
      const offer = (end: number, score: number, id: number) => {
        const node = best[end]
        if (!node || sum + score > node.sum) best[end] = { sum: sum + score, start, id }
      }
      let text = ''
      for (let end = start + 1; end <= characters.length; ++end) {
        text += characters[end - 1]
        if (text.length > this.#longest) break
        const piece = this.#pieces.get(text)
        if (piece) offer(end, piece.score, piece.id)
        else if (end === start + 1) offer(end, this.#unknownScore, unknown)
      }
    }
    const ids: number[] = []
    for (let end = characters.length; end > 0; ) {
      const { id, start } = best[end] as { id: number; start: number }
      if (id !== unknown || ids[0] !== unknown) ids.unshift(id)
      end = start
    }
    return ids
  }

  #special(text: string): number {
    return this.#specials.get(text) as number
  }
}

/**
 * A score as it comes out of tokenizer.json: its decimal digits as a double, divided by a power of ten.
 * Not always the nearest double, which ties of repeated text bring to light.
 */
function scoreFromJson(score: number): number {
  const [whole = '', fraction = ''] = String(Math.abs(score)).split('.')
  return (Math.sign(score) * Number(whole + fraction)) / 10 ** fraction.length
}

/** All keys of a Darts double array (as Latin-1 strings of their bytes) with their replacements. */
function unrollCharsmap(charsmap: Uint8Array): Map<string, string> {
  const view = new DataView(charsmap.buffer, charsmap.byteOffset, charsmap.byteLength)
  const arrayBytes = view.getUint32(0, true)
  const unit = (index: number) => view.getUint32(4 + 4 * index, true)
  const units = arrayBytes / 4
  const texts = charsmap.subarray(4 + arrayBytes)
  const offset = (value: number) => (value >>> 10) << (value & 0x200 ? 8 : 0)

  const found = new Map<string, string>()
  const walk = (base: number, prefix: string) => {
    for (let byte = 1; byte < 256; ++byte) {
      const child = base ^ byte
      if (child >= units || (unit(child) & 0x800000ff) >>> 0 !== byte) continue
      const next = child ^ offset(unit(child))
      const key = prefix + String.fromCharCode(byte)
      if (unit(child) & 0x100) {
        const from = unit(next) & 0x7fffffff
        found.set(key, Buffer.from(texts.subarray(from, texts.indexOf(0, from))).toString())
      }
      walk(next, key)
    }
  }
  walk(offset(unit(0)), '')
  return found
}
