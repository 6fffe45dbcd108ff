// What a score costs: our TypeScript, a plain loop, the addon's SIMD when it is built, and simsimd when it
// is installed in bench/peers. One thread.
//
//   node bench/node/scoring.bench.mjs [--json] [--addon FILE]
import { mkdtempSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { buildSync } from 'esbuild'

const here = import.meta.dirname
const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    addon: { type: 'string', default: path.join(here, '../../build/Release/bge_m3_node.node') },
  },
})
// with and without SIMD, which the package switches on by itself
const module = path.join(mkdtempSync(path.join(tmpdir(), 'bge-m3-scoring-')), 'scoring.mjs')
buildSync({
  stdin: {
    contents: "export * from './exports/scoring.js'; export { useSimd } from './scoring/simd.js'",
    resolveDir: path.join(here, '../../lib'),
  },
  bundle: true,
  platform: 'node',
  format: 'esm',
  outfile: module,
})
const scoring = await import(pathToFileURL(module).href)

const DIM = 1024

function randomRows(rows) {
  const data = new Float32Array(rows * DIM)
  for (let i = 0; i < data.length; i++) data[i] = Math.random() - 0.5
  for (let i = 0; i < rows; i++) {
    const row = data.subarray(i * DIM, (i + 1) * DIM)
    row.set(scoring.normalize(row))
  }
  return { data, rows, cols: DIM }
}

const rowsOf = ({ data, rows }) =>
  Array.from({ length: rows }, (_, i) => data.subarray(i * DIM, (i + 1) * DIM))

/** Best of several runs, milliseconds: on a shared machine the least disturbed one. */
function best(run, { minRuns = 3, seconds = 1.5 } = {}) {
  run()
  let least = Number.POSITIVE_INFINITY
  const until = performance.now() + seconds * 1000
  for (let i = 0; i < minRuns || performance.now() < until; i++) {
    const started = performance.now()
    run()
    least = Math.min(least, performance.now() - started)
  }
  return least
}

function naiveDot(a, b) {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i]
  return sum
}

function naiveMatrix(a, b) {
  return a.map((x) => Float32Array.from(b, (y) => naiveDot(x, y)))
}

function naiveColbert(q, p) {
  let sum = 0
  for (const x of q) {
    let largest = Number.NEGATIVE_INFINITY
    for (const y of p) largest = Math.max(largest, naiveDot(x, y))
    sum += largest
  }
  return sum / q.length
}

function optional(load) {
  try {
    return load()
  } catch {
    return undefined
  }
}
const require = createRequire(import.meta.url)
const simsimd = optional(() => createRequire(path.join(here, '../peers/package.json'))('simsimd'))
const addon = optional(() => require(path.resolve(options.addon)))
const native =
  typeof addon?.matmulTransposed === 'function'
    ? { matmulTransposed: (...args) => addon.matmulTransposed(...args) }
    : undefined

const results = []
function measure(task, name, operations, run, count = 1) {
  const ms = best(run) / count
  results.push({ task, name, ms, gflops: operations / ms / 1e6 })
}

const many = rowsOf(randomRows(1000))
const [one] = many
const pairs = (score) => () => {
  let sum = 0
  for (const row of many) sum += score(one, row)
  return sum
}
measure('dot, 1024', 'plain loop', 2 * DIM, pairs(naiveDot), 1000)
measure('dot, 1024', 'ours', 2 * DIM, pairs(scoring.dot), 1000)
if (simsimd) measure('dot, 1024', 'simsimd', 2 * DIM, pairs(simsimd.inner), 1000)
measure('cosine, 1024', 'ours', 6 * DIM, pairs(scoring.cosine), 1000)
if (simsimd) measure('cosine, 1024', 'simsimd', 6 * DIM, pairs(simsimd.cosine), 1000)

/** The heavy ones, with and without the addon. */
function both(task, operations, run) {
  scoring.useSimd(undefined)
  measure(task, 'ours', operations, run)
  if (!native) return
  scoring.useSimd(native)
  measure(task, 'ours + addon', operations, run)
  scoring.useSimd(undefined)
}

const left = randomRows(1000)
const right = randomRows(1000)
const matrix = 'similarity matrix, 1000 x 1000 x 1024'
const matrixOps = 2 * 1000 * 1000 * DIM
measure(matrix, 'plain loop', matrixOps, () => naiveMatrix(rowsOf(left), rowsOf(right)))
both(matrix, matrixOps, () => scoring.similarityMatrix(left, right))
if (simsimd) {
  const [a, b] = [rowsOf(left), rowsOf(right)]
  measure(matrix, 'simsimd', matrixOps, () =>
    a.map((x) => Float32Array.from(b, (y) => 1 - simsimd.cosine(x, y))),
  )
}

const query = randomRows(512)
const passage = randomRows(512)
const colbert = 'ColBERT, 512 x 512 x 1024'
const colbertOps = 2 * 512 * 512 * DIM
measure(colbert, 'plain loop', colbertOps, () => naiveColbert(rowsOf(query), rowsOf(passage)))
both(colbert, colbertOps, () => scoring.colbertScore(query, passage))

const corpus = randomRows(20_000)
both('top 10 of 20,000', 6 * 20_000 * DIM, () => scoring.topK(one, corpus, 10))
both('k-means, 2,000 in 16, one round', 2 * 2_000 * 16 * DIM, () =>
  scoring.kMeans({ data: corpus.data.subarray(0, 2_000 * DIM), rows: 2_000, cols: DIM }, 16, {
    maxIterations: 1,
  }),
)

if (options.json) {
  process.stdout.write(`${JSON.stringify(results, null, 2)}\n`)
} else {
  for (const { task, name, ms, gflops } of results) {
    const time = ms < 1 ? `${(ms * 1000).toFixed(2)} us` : `${ms.toFixed(1)} ms`
    console.log(
      `${task.padEnd(40)} ${name.padEnd(14)} ${time.padStart(10)} ${gflops.toFixed(2).padStart(8)} GFLOP/s`,
    )
  }
}
