/** Options of `loadTable` once they are checked. */

import type { ChunkOptions } from './chunk-table.js'
import type { FollowOptions, LoadTableOptions } from './load-types.js'

/** The options with their defaults. */
export type Settings = Omit<LoadTableOptions, 'follow' | 'chunk'> &
  Required<Pick<LoadTableOptions, 'batchRows' | 'sparseLimit' | 'stalledAfter' | 'force'>> & {
    follow: Required<FollowOptions> | undefined
    chunk: ChunkOptions | undefined
  }
