// What it costs to embed in a worker: microseconds a call, for texts that the cache has, so that the way is all there is.
//   node bench/node/worker.mjs [MODEL]      default: bge-m3
import { fork } from 'node:child_process'
import path from 'node:path'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { Embedder } from '../../dist/index.js'
import { connectEmbedder, serveEmbedder } from '../../dist/worker.js'

const file = import.meta.filename ?? path.resolve(process.argv[1])
const options = { model: process.argv[2] ?? workerData?.model, cache: '256MB' }

const CALLS = {
  'one text, dense': { times: 2000, run: (m3) => m3.embed('A text of a few words.') },
  '100 texts, dense': { times: 100, run: (m3) => m3.embed(many) },
  '100 texts, ColBERT (8 MB)': { times: 20, run: (m3) => m3.embed(many, { outputs: ['colbert'] }) },
  'stream of 100, an item': { times: 20, items: 100, run: (m3) => drain(m3.embedStream(many)) },
}
const many = Array.from(
  { length: 100 },
  (_, i) => `Text ${i} has some more words in it, about twenty.`,
)

async function drain(stream) {
  for await (const _ of stream);
}

async function measure(name, m3) {
  const row = {}
  for (const [call, { times, items = 1, run }] of Object.entries(CALLS)) {
    for (let i = 0; i < 3; i++) await run(m3)
    const from = performance.now()
    for (let i = 0; i < times; i++) await run(m3)
    row[call] = Math.round(((performance.now() - from) * 1000) / times / items)
  }
  console.log(name.padEnd(16), JSON.stringify(row))
  await m3.dispose()
}

if (!isMainThread) await serveEmbedder(parentPort, options)
else if (process.send) await serveEmbedder(process, options)
else {
  const args = options.model ? [options.model] : []
  await measure('in process', await Embedder.load(options))
  await measure(
    'worker thread',
    await connectEmbedder(() => new Worker(file, { workerData: options, argv: args })),
  )
  await measure(
    'forked process',
    await connectEmbedder(() => fork(file, args, { serialization: 'advanced' })),
  )
}
