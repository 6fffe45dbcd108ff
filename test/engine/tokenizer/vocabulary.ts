/** Test code: the tokenizer's metadata of a GGUF, read apart from the library's own reader. */
import { readFile } from 'node:fs/promises'

export interface ReferenceVocabulary {
  tokens: string[]
  scores: number[]
  types: number[]
  charsmap: Uint8Array
}

const WIDTHS = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8]
const FLOAT32 = 6
const STRING = 8
const ARRAY = 9

export async function readReferenceVocabulary(path: string): Promise<ReferenceVocabulary> {
  const bytes = await readFile(path)
  let at = 16
  const u32 = () => {
    at += 4
    return bytes.readUInt32LE(at - 4)
  }
  const u64 = () => {
    at += 8
    return Number(bytes.readBigUInt64LE(at - 8))
  }
  const string = () => {
    const size = u64()
    at += size
    return bytes.toString('utf8', at - size, at)
  }
  const out: ReferenceVocabulary = {
    tokens: [],
    scores: [],
    types: [],
    charsmap: new Uint8Array(),
  }
  for (let left = u64(); left > 0; --left) {
    const key = string()
    const type = u32()
    if (type === STRING) {
      string()
    } else if (type !== ARRAY) {
      at += WIDTHS[type] as number
    } else {
      const item = u32()
      const count = u64()
      if (item === STRING) {
        const strings = Array.from({ length: count }, string)
        if (key === 'tokenizer.ggml.tokens') out.tokens = strings
        continue
      }
      const width = WIDTHS[item] as number
      const number = (i: number) =>
        item === FLOAT32 ? bytes.readFloatLE(at + 4 * i) : bytes.readInt32LE(at + 4 * i)
      if (key === 'tokenizer.ggml.scores')
        out.scores = Array.from({ length: count }, (_, i) => number(i))
      if (key === 'tokenizer.ggml.token_type')
        out.types = Array.from({ length: count }, (_, i) => number(i))
      if (key === 'tokenizer.ggml.precompiled_charsmap')
        out.charsmap = bytes.subarray(at, at + count)
      at += width * count
    }
  }
  return out
}
