/**
 * Tokens of no text, to measure with: how long they take does not depend on what they are. The two for begin and end come
 * on top.
 *
 * @param count of the text, begin and end included
 * @param seed another one gives other tokens; texts that are the same would be computed once
 */
export function someTokens(count: number, seed: number, vocabSize: number): Uint32Array {
  // a generator of Lehmer's, so that every run has the same
  let state = 1 + seed
  return Uint32Array.from({ length: count - 2 }, () => {
    state = (state * 48271) % 2147483647
    return Math.floor(vocabSize / 2) + (state % Math.floor(vocabSize / 4))
  })
}
