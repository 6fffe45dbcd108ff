/** Test code: seeded random texts in which everything that joins, vanishes or expands is frequent. */

/** Mulberry32: the same numbers on every machine. */
export function randomNumbers(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

// Scripts, symbols and presentation forms; whole planes are sampled besides.
const BLOCKS: [number, number][] = [
  [0x20, 0x7e],
  [0xa0, 0x24f],
  [0x300, 0x36f],
  [0x370, 0x52f],
  [0x590, 0x6ff],
  [0x700, 0x8ff],
  [0x900, 0xdff],
  [0xe00, 0xfff],
  [0x1000, 0x11ff],
  [0x1780, 0x18af],
  [0x1e00, 0x1fff],
  [0x2000, 0x206f],
  [0x2070, 0x2bff],
  [0x3000, 0x33ff],
  [0x4e00, 0x9fff],
  [0xa960, 0xa97f],
  [0xac00, 0xd7ff],
  [0xf900, 0xfdff],
  [0xfe00, 0xfeff],
  [0xff00, 0xffef],
  [0x11000, 0x114ff],
  [0x1d400, 0x1d7ff],
  [0x1f1e6, 0x1f1ff],
  [0x1f300, 0x1faff],
  [0xe0100, 0xe01ef],
]
const JOINERS = [
  ...'\u0301\u0327\u0308\u3099\u309a\uff9e\uff9f\u094d\u093c\u0e33\u0600\u06dd\u070f',
  ...'\u200d\u200b\u200c\ufe0f\u20e3\u00ad\u2060\ufeff\ufffd\u0085\u2028\u00a0\u3000\u180e \n\r\t',
  ...'\0\u0001\u007f▁²½ﬁﷺ',
  '🏽',
  '\r\n',
]
const LITERALS = ['<s>', '</s>', '<mask>', '<unk>', '<pad>', '＜s＞', '<mask', '[SEP]', '##', '<']

export interface TextSource {
  /** Words and pieces to mix in. */
  pieces: readonly string[]
  /** Which code points may be used; all by default. */
  accept?: (codePoint: number) => boolean
}

export function randomText(random: () => number, { pieces, accept = () => true }: TextSource) {
  const below = (limit: number) => Math.floor(random() * limit)
  const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T
  const blocks = Array.from({ length: 1 + below(4) }, () => pick(BLOCKS))
  const character = (): string => {
    for (;;) {
      const [from, to] = below(8) === 0 ? [0, 0x10ffff] : pick(blocks)
      const code = from + below(to - from + 1)
      if ((code < 0xd800 || code > 0xdfff) && accept(code)) return String.fromCodePoint(code)
    }
  }
  let text = ''
  for (let left = 1 + below(pick([4, 12, 40])); left > 0; --left) {
    const kind = random()
    if (kind < 0.22) text += pick(JOINERS)
    else if (kind < 0.25) text += pick(LITERALS)
    else if (kind < 0.42) text += pick(pieces).replaceAll('▁', ' ')
    else text += character()
  }
  return below(12) === 0 ? text.repeat(2 + below(8)) : text
}
