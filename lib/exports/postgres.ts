/** `bge-m3-node/postgres`: vectors for the rows of a PostgreSQL table. */

export type { BatchReport } from '../integrations/batch-report.js'
export type { ChunkOptions } from '../integrations/stores/postgres/chunk-table.js'
export type { PgliteLike, PostgresTarget } from '../integrations/stores/postgres/connection.js'
export type { HnswOptions } from '../integrations/stores/postgres/hnsw.js'
export { loadTable } from '../integrations/stores/postgres/load.js'
export type {
  FollowOptions,
  LoadFailure,
  LoadProgress,
  LoadTableOptions,
  LoadTableResult,
} from '../integrations/stores/postgres/load-types.js'
export {
  quoteIdentifier,
  quoteTable,
  SPARSEVEC_LIMITS,
  sparsevecLiteral,
  type TableName,
  vectorLiteral,
} from '../integrations/stores/postgres/sql.js'
export { PostgresStore, type PostgresStoreOptions } from '../integrations/stores/postgres/store.js'
export type {
  DenseKind,
  StoreColumns,
  TableColumns,
} from '../integrations/stores/postgres/table.js'
