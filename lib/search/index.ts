/** `bge-m3-node/search`: an index of files on disk, and search in it. */

export type { EmbeddingStore, StoredChunk } from '../output/store.js'
export { type OpenIndexOptions, openIndex, SearchIndex } from './search-index.js'
export type {
  ChunkSettings,
  FileFailure,
  IndexModel,
  IndexStats,
  SearchHit,
  SearchMode,
  SearchOptions,
  SkippedPath,
  SkipReason,
  UpdateOptions,
  UpdateProgress,
  UpdateResult,
} from './types.js'
