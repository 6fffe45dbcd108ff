/** One batch's arrays, cut into the texts' own. */
import type { NativeBatchResult } from '../../native/addon.js'
import type { TextResult } from './outcome.js'

export function splitResult(
  result: NativeBatchResult,
  lengths: Uint32Array,
  dim: number,
): TextResult[] {
  let sparseAt = 0
  const rows = lengths.reduce((sum, length) => sum + length - 1, 0)
  const width = (result.colbert?.length ?? 0) / rows
  let colbertAt = 0
  const stateWidth = (result.states?.length ?? 0) / (rows + lengths.length)
  let statesAt = 0
  return Array.from(lengths, (length, i) => {
    const text: TextResult = {
      tokenCount: length,
      truncated: false, // nobody here knows the whole text
      pooled: result.pooled.slice(i * dim, (i + 1) * dim),
      queueMs: 0, // the scheduler knows since when each text waits
      computeMs: result.computeMs,
    }
    if (result.sparse) {
      const { counts, indices, values } = result.sparse
      const end = sparseAt + (counts[i] as number)
      text.sparse = { indices: indices.slice(sparseAt, end), values: values.slice(sparseAt, end) }
      sparseAt = end
    }
    if (result.colbert) {
      const end = colbertAt + (length - 1) * width
      text.colbert = result.colbert.slice(colbertAt, end)
      colbertAt = end
    }
    if (result.states) {
      const end = statesAt + length * stateWidth
      text.states = result.states.slice(statesAt, end)
      statesAt = end
    }
    return text
  })
}
