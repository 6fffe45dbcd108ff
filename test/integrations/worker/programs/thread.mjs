// A worker thread that serves the embedder of `workerData`.
import { parentPort, workerData } from 'node:worker_threads'
import { serveEmbedder } from '../../../../dist/worker.js'

await serveEmbedder(workerData?.port ?? parentPort, workerData?.options)
