/** `bge-m3-node/postgres`: vectors for the rows of a PostgreSQL table. */

export type { PgliteLike, PostgresTarget } from './connection.js'
export type { HnswOptions } from './hnsw.js'
export {
  type LoadFailure,
  type LoadProgress,
  type LoadTableOptions,
  type LoadTableResult,
  loadTable,
} from './load.js'
export {
  quoteIdentifier,
  quoteTable,
  SPARSEVEC_LIMITS,
  sparsevecLiteral,
  type TableName,
  vectorLiteral,
} from './sql.js'
export { PostgresStore, type PostgresStoreOptions } from './store.js'
export type { DenseKind, StoreColumns, TableColumns } from './table.js'
