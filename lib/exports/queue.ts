/** `bge-m3-node/queue`: one corpus, workers on many machines, with BullMQ on Redis or Valkey. */

export type { BatchReport } from '../integrations/batch-report.js'
export {
  type ChunkPlace,
  type DocumentCutting,
  type DocumentParts,
  trimDocuments,
} from '../integrations/chunked.js'
export type { CorpusItem, CorpusSource, UnreadableChunk } from '../integrations/queue/cut.js'
export {
  type EnqueueOptions,
  type EnqueueProgress,
  type EnqueueResult,
  enqueue,
} from '../integrations/queue/enqueue.js'
export type { QueueFailure, WorkerSign } from '../integrations/queue/ledger.js'
export type { QueueAddress } from '../integrations/queue/open.js'
export type { RedisTarget } from '../integrations/queue/redis.js'
export {
  clearQueue,
  type FailedJob,
  isDone,
  type QueueStatus,
  queueFailures,
  queueStatus,
  retryFailed,
  type WatchOptions,
  watchQueue,
} from '../integrations/queue/status.js'
export {
  runWorker,
  type WorkerOptions,
  type WorkerProgress,
  type WorkerResult,
} from '../integrations/queue/worker.js'
export type { EmbeddingStore, StoredChunk } from '../integrations/store.js'
