/** What is said of the vectors' quality: a score for each, and a report on a set when asked. */

import { isTyped } from '../../common/realms.js'
import type { EmbeddedChunk, Precision } from '../../common/types.js'
import { qualityReport } from '../../quality/report.js'
import type { QualityReport } from '../../quality/types.js'
import { vectorQuality } from '../../quality/vector.js'
import type { ScoreVector } from './embedded-chunk.js'

/** @param normalized whether vectors should have length 1 */
export function scoreVector(normalized: boolean): ScoreVector {
  return (vector) => vectorQuality(vector, options(vector, normalized)).score
}

/**
 * The report on a set of chunks, made when it is first asked for, since it takes a while for many;
 * `undefined` where there are no dense vectors.
 *
 * @param texts of the items: equal vectors of equal texts are no duplicates. They are not kept
 */
export function reportLater(
  items: readonly EmbeddedChunk<Precision>[],
  texts: readonly unknown[],
  normalized: boolean,
): () => QualityReport | undefined {
  const sample = items[0]?.embedding.dense
  if (!sample) return () => undefined
  const first = new Map<unknown, string>()
  const hashes = texts.map((text, i) => {
    const known = first.get(text)
    if (known === undefined) first.set(text, String(i))
    return known ?? String(i)
  })
  let report: QualityReport | undefined
  return () => {
    report ??= qualityReport(
      items.map(({ embedding }) => embedding.dense ?? []),
      { ...options(sample, normalized), ids: items.map(({ id }) => id), hashes },
    )
    return report
  }
}

/** Where the scale of a precision is unknown the report itself looks at no lengths. */
function options(vector: ArrayBufferView, normalized: boolean): { normalized?: boolean } {
  const isScaled = isTyped(vector, 'Float32Array') || isTyped(vector, 'Uint16Array')
  return isScaled ? { normalized } : {}
}
