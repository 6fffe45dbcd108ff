/** What is written to rows, and what becomes of it. */

import type { EmbedderError } from '../../../common/errors.js'
import type { LeasedRow, LeaseOptions } from './leases.js'

/** A row that has no vector, and why. */
export interface RowFailure {
  row: LeasedRow
  error: EmbedderError
}

/** What became of a batch: each of its rows is in one of the three. */
export interface Filled {
  rows: number
  failures: RowFailure[]
  /** Not written, for others had changed or filled them. */
  passedOver: LeasedRow[]
  tokens: number
  /** Sparse vectors that were cut. */
  cuts: number
}

/** A row whose vectors are there, as PostgreSQL reads them. */
export interface Ready {
  row: LeasedRow
  /** One, or one a chunk. */
  parts: {
    start: number
    end: number
    dense: string | undefined
    sparse: string | undefined
  }[]
  tokens: number
  /** Sparse vectors that were cut. */
  cuts: number
}

export interface FillOptions extends LeaseOptions {
  sparseDimensions: number
  sparseLimit: number
}
