/** `bge-m3-node/search`: an index of files on disk, and search in it. */

export type { Snippet } from '../common/snippet.js'
export {
  type OpenIndexOptions,
  openIndex,
  SearchIndex,
} from '../integrations/search/search-index.js'
export type {
  ChunkSettings,
  FileFailure,
  IndexedChunk,
  IndexModel,
  IndexStats,
  ReadOptions,
  SearchHit,
  SearchMode,
  SearchOptions,
  SkippedPath,
  SkipReason,
  UpdateOptions,
  UpdateProgress,
  UpdateResult,
} from '../integrations/search/types.js'
export type { EmbeddingStore, StoredChunk } from '../integrations/store.js'
