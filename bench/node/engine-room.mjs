// How the queue serves many callers: many short texts one by one against one call, the latency of a
// query beside a bulk job, a repeated job with the cache.
//   node bench/node/engine-room.mjs [--model FILE] [--texts 2000] [--rounds 5] [--json]
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { Embedder } from 'bge-m3-node'
import { loadParagraphs, sentencesOf } from './texts.mjs'

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    texts: { type: 'string', default: '2000' },
    rounds: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
  },
})
const rounds = Number(options.rounds)
const paragraphs = loadParagraphs()
const texts = sentencesOf(paragraphs).slice(0, Number(options.texts))
const m3 = await Embedder.load({ model: options.model, cache: false })
await m3.warmup()

const result = {
  model: m3.info.name,
  isa: m3.info.isa,
  threads: m3.info.threads,
  texts: texts.length,
  concurrent: await concurrentCallers(),
  latency: await latencyBesideBulk(),
  cache: await repeated(),
}
await m3.dispose()
print(result)

/** 64 callers that each submit one text at a time, against all texts in one call; in turn. */
async function concurrentCallers() {
  const together = []
  const apart = []
  for (let round = 0; round < rounds; round++) {
    together.push(await seconds(() => m3.embed(texts)))
    apart.push(await seconds(oneByOne))
  }
  return {
    oneCall: texts.length / median(together),
    callers64: texts.length / median(apart),
    ratio: median(together) / median(apart),
    best: Math.min(...together) / Math.min(...apart),
  }
}

async function oneByOne() {
  let next = 0
  const caller = async () => {
    while (next < texts.length) await m3.embed(texts[next++])
  }
  await Promise.all(Array.from({ length: 64 }, caller))
}

/**
 * One query now and then while another caller embeds without end, beside how long that caller's own
 * batches take. (A mean over all batches would count the queries' own short ones too.)
 */
async function latencyBesideBulk() {
  const controller = new AbortController()
  const batches = []
  const chunks = paragraphs.map((text, i) => ({ id: String(i), text }))
  const bulk = (async () => {
    while (!controller.signal.aborted) {
      const { batches: ran } = await m3.embedChunks(chunks, {
        priority: 'bulk',
        signal: controller.signal,
      })
      batches.push(...ran)
    }
  })().catch(() => {})
  await sleep(300)
  const taken = []
  // the bulk job's batches are known when it ends: at least one whole round of it
  for (let i = 0; i < 300 || batches.length === 0; i++) {
    taken.push(1000 * (await seconds(() => m3.embed(texts[i % texts.length]))))
    await sleep(Math.random() * 30)
  }
  controller.abort()
  await bulk
  taken.sort((a, b) => a - b)
  const at = (p) => taken[Math.min(taken.length - 1, Math.floor(taken.length * p))]
  return {
    queries: taken.length,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    batchMs: median(batches.map(({ computeMs }) => computeMs)),
  }
}

/** The same job computed, and again from the memory cache. */
async function repeated() {
  const cached = await Embedder.load({ model: options.model, cache: '512MB' })
  const computed = await seconds(() => cached.embed(paragraphs))
  const again = []
  for (let round = 0; round < rounds; round++)
    again.push(await seconds(() => cached.embed(paragraphs)))
  const { hits, misses } = cached.stats().cache
  await cached.dispose()
  return {
    texts: paragraphs.length,
    computedMs: computed * 1000,
    againMs: median(again) * 1000,
    faster: computed / median(again),
    microsecondsPerHit: (median(again) / paragraphs.length) * 1e6,
    hits,
    misses,
  }
}

async function seconds(work) {
  const from = performance.now()
  await work()
  return (performance.now() - from) / 1000
}

function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
}

function print(found) {
  if (options.json) {
    console.log(JSON.stringify(found, null, 2))
    return
  }
  const { concurrent, latency, cache } = found
  console.log(`${found.model}, ${found.isa}, ${found.threads} threads, ${found.texts} texts`)
  console.log(
    `64 callers one by one: ${concurrent.callers64.toFixed(0)} texts/s, ${(100 * concurrent.ratio).toFixed(1)} % ` +
      `of one call's ${concurrent.oneCall.toFixed(0)} (best with best ${(100 * concurrent.best).toFixed(1)} %)`,
  )
  console.log(
    `a query beside a bulk job: p50 ${latency.p50Ms.toFixed(1)} ms, p99 ${latency.p99Ms.toFixed(1)} ms; ` +
      `a batch of the job takes ${latency.batchMs.toFixed(1)} ms`,
  )
  console.log(
    `${cache.texts} texts again from the cache: ${cache.againMs.toFixed(1)} ms, ${cache.faster.toFixed(0)} x faster, ` +
      `${cache.microsecondsPerHit.toFixed(1)} us a hit`,
  )
}
