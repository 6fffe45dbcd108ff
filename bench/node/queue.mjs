// What a queue costs beside plain `embed` of the same texts, in turn: texts go into Redis, one worker takes
// them out and writes rows.
//   node bench/node/queue.mjs [--model FILE] [--texts 48] [--rounds 3] [--redis URL] [--database CONNECTION]
// Without --redis a redis-server of its own is started, without --database rows are only counted.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import { createServer } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { Embedder } from 'bge-m3-node'
import { PostgresStore } from 'bge-m3-node/postgres'
import { clearQueue, enqueue, runWorker } from 'bge-m3-node/queue'
import { benchModel } from '../race/model.mjs'
import { loadParagraphs } from './texts.mjs'

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    texts: { type: 'string', default: '48' },
    rounds: { type: 'string', default: '3' },
    redis: { type: 'string' },
    database: { type: 'string' },
    'job-tokens': { type: 'string', default: '2048' },
  },
})
const server = options.redis ? undefined : await startRedis()
const address = { redis: options.redis ?? server.url, queue: 'bge-m3-bench' }
const m3 = await Embedder.load({ model: benchModel(options.model), cache: false })
await m3.warmup()
const corpus = loadParagraphs()
  .slice(0, Number(options.texts))
  .map((text, i) => ({ id: String(i), text }))
const texts = corpus.map(({ text }) => text)
const plain = []
const queued = []
const plainCpu = []
const queuedCpu = []
let tokens = 0
try {
  for (let round = 0; round < Number(options.rounds); round++) {
    let cpu = process.cpuUsage()
    plain.push(await seconds(() => m3.embed(texts)))
    plainCpu.push(cpuSeconds(cpu))
    await clearQueue(address)
    await enqueue(m3, corpus, { ...address, jobTokens: Number(options['job-tokens']) })
    const store = options.database ? await openTable(round) : countingStore()
    await store.prepare()
    // from a worker's start, connecting included, to its last job: looking for the end comes after that
    const from = performance.now()
    let to = from
    const onProgress = () => {
      to = performance.now()
    }
    cpu = process.cpuUsage()
    const result = await runWorker(m3, { ...address, store, untilDone: true, onProgress })
    queued.push((to - from) / 1000)
    queuedCpu.push(cpuSeconds(cpu))
    const [a, b] = [plain, queued].map((times) => times.at(-1).toFixed(2))
    console.error(`round ${round + 1}: plain ${a} s, queue ${b} s`)
    tokens = result.tokens
    if (result.items !== texts.length) throw new Error(`${result.items} of ${texts.length} stored`)
    await store.close()
  }
} finally {
  await clearQueue(address)
  await m3.dispose()
  await server?.close()
}
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
console.log(
  `${texts.length} texts, ${tokens} tokens through a queue ${options.database ? 'into PostgreSQL' : '(rows counted)'}: ` +
    `${median(queued).toFixed(2)} s, plain embed ${median(plain).toFixed(2)} s: ` +
    `${(100 * median(plain.map((time, i) => time / queued[i]))).toFixed(1)} % of its throughput, round by round ` +
    `(best with best ${((100 * Math.min(...plain)) / Math.min(...queued)).toFixed(1)} %), ` +
    `with ${((100 * median(queuedCpu)) / median(plainCpu)).toFixed(1)} % of its processor time`,
)

async function seconds(run) {
  const from = performance.now()
  await run()
  return (performance.now() - from) / 1000
}

function cpuSeconds(since) {
  const { user, system } = process.cpuUsage(since)
  return (user + system) / 1e6
}

function openTable(round) {
  return PostgresStore.open(options.database, {
    table: `bge_m3_bench_queue_${process.pid}_${round}`,
    columns: { id: 'id', text: 'body', dense: 'dense' },
    model: m3.info,
    denseType: 'float4[]',
  })
}

function countingStore() {
  const ids = new Set()
  return {
    async prepare() {},
    async write(chunks) {
      for (const { chunk } of chunks) ids.add(chunk.id)
    },
    async stored(some) {
      return new Set(some.filter((id) => ids.has(id)))
    },
    async close() {},
  }
}

async function startRedis() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'bge-m3-bench-'))
  const port = await new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '']
  const redis = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise((resolve, reject) => {
    redis.once('error', () => reject(new Error('Install redis-server, or name one by --redis.')))
    redis.stdout.on('data', (text) => /Ready to accept/.test(text) && resolve())
  })
  return {
    url: `redis://127.0.0.1:${port}`,
    async close() {
      redis.kill()
      fs.rmSync(folder, { recursive: true, force: true })
    },
  }
}
