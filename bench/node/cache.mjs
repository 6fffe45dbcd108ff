// What the cache costs, in microseconds: `node bench/node/cache.mjs [texts]`. The disk tier is measured as the
// system's page cache has it, which is how it is used.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { buildSync } from 'esbuild'

const root = path.resolve(import.meta.dirname, '../..')
const home = fs.mkdtempSync(path.join(os.tmpdir(), 'bge-m3-bench-cache-'))
const bundle = path.join(home, 'cache.mjs')
buildSync({
  entryPoints: [path.join(root, 'lib/cache/cache.ts')],
  bundle: true,
  platform: 'node',
  format: 'esm',
  outfile: bundle,
  alias: { 'lru-cache': path.join(root, 'node_modules/lru-cache/dist/esm/index.js') },
})
const { EmbeddingCache } = await import(bundle)

const count = Number(process.argv[2] ?? 20_000)
const asked = { dense: true, sparse: false, colbert: false }
const limit = { maxTokens: 8192, truncate: 'error' }
const sentence = 'The quick brown fox jumps over the lazy dog, again and again. '.repeat(40)

/** The best of nine runs, in microseconds a text: what else runs on the machine is not of interest. */
function best(run) {
  const times = Array.from({ length: 9 }, () => {
    const start = performance.now()
    run()
    return ((performance.now() - start) / count) * 1000
  })
  return Math.min(...times)
}

async function measure(name, memoryBytes, onDisk, length, dimensions) {
  const dir = path.join(home, `${name}-${length}-${dimensions}`)
  const disk = onDisk ? { dir, maxBytes: 1e9 } : undefined
  const cache = await EmbeddingCache.open({ memoryBytes, disk, ttlMs: 1e9, warn: console.warn })
  const texts = Array.from({ length: count }, (_, i) => `${i} ${sentence}`.slice(0, length))
  const pooled = new Float32Array(dimensions).map(Math.random)
  const start = performance.now()
  for (let i = 0; i < count; i++) {
    cache.keep('model', texts[i], { tokenCount: 99, truncated: false, pooled }, limit)
    if (i % 32 === 31) await new Promise((resolve) => setImmediate(resolve))
  }
  await cache.flush()
  const set = ((performance.now() - start) / count) * 1000
  const hit = best(() => texts.forEach((text) => void cache.find('model', text, asked, limit)))
  const miss = best(() => texts.forEach((text) => void cache.find('other', text, asked, limit)))
  const { hitRate } = cache.stats()
  if (Math.abs(hitRate - 0.5) > 1e-9) throw new Error(`hit rate ${hitRate}`)
  await cache.close()
  return { tier: name, 'bytes of text': length, dimensions, hit, miss, 'set, flushed': set }
}

try {
  const rows = []
  for (const [length, dimensions] of [
    [200, 64],
    [200, 1024],
    [2000, 1024],
  ]) {
    rows.push(await measure('memory', 1e9, false, length, dimensions))
    rows.push(await measure('disk', 0, true, length, dimensions))
  }
  for (const row of rows)
    for (const key of ['hit', 'miss', 'set, flushed']) row[key] = +row[key].toFixed(1)
  console.table(rows)
} finally {
  fs.rmSync(home, { recursive: true })
}
