/** `bge-m3-node/queue`: one corpus, workers on many machines, with BullMQ on Redis or Valkey. */

export type { EmbeddingStore, StoredChunk } from '../store.js'
export type { CorpusItem, CorpusSource, UnreadableChunk } from './cut.js'
export {
  type EnqueueOptions,
  type EnqueueProgress,
  type EnqueueResult,
  enqueue,
} from './enqueue.js'
export type { QueueFailure, WorkerSign } from './ledger.js'
export type { QueueAddress } from './open.js'
export type { RedisTarget } from './redis.js'
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
} from './status.js'
export { runWorker, type WorkerOptions, type WorkerProgress, type WorkerResult } from './worker.js'
