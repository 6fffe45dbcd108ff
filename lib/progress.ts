/** Progress of a call, with rate and time left. */
import type { EmbedOptions } from './types.js'

/**
 * A function to call as each text is done, with that text's tokens. What `onProgress` throws goes to
 * `onThrow`: a broken progress display must not cost the work.
 */
export function reportProgress(
  onProgress: EmbedOptions['onProgress'],
  total: number,
  onThrow: (error: unknown) => void,
): (tokens: number) => void {
  if (!onProgress) return () => {}
  const started = performance.now()
  let done = 0
  let sum = 0
  return (tokens) => {
    done++
    sum += tokens
    const seconds = Math.max((performance.now() - started) / 1000, 1e-6)
    const rate = done / seconds
    try {
      onProgress({ done, total, tokens: sum, rate, eta: (total - done) / rate })
    } catch (error) {
      onThrow(error)
    }
  }
}
