// Programs a user could have written. Each prints one line of JSON: the Node version, how long loading
// took (by the clock, and in CPU time, which other processes do not change), and a digest of the vector's bits, which must be the same everywhere.

const BODY = `
const digest = (vector) => createHash('sha256').update(vector).digest('hex').slice(0, 16)
async function main() {
  const from = performance.now()
  const before = process.cpuUsage()
  const m3 = await Embedder.load({ cache: false })
  const loadMs = Math.round(performance.now() - from)
  const { user, system } = process.cpuUsage(before)
  const loadCpuMs = Math.round((user + system) / 1000)
  const outputs = { dense: true, sparse: true, colbert: true }
  const [{ dense }, { sparse, colbert }] = await m3.embed(['What is BGE M3?', 'Another text.'], { outputs })
  if (Math.abs(cosine(dense, dense) - 1) > 1e-6) throw new Error('not a unit vector')
  if (sparse.indices.length === 0 || colbert.rows === 0) throw new Error('an output is missing')
  await m3.dispose()
  return { node: process.version, loadMs, loadCpuMs, digest: digest(dense) }
}
`

const PRINT = `main().then((result) => console.log(JSON.stringify(result)))\n`

export const esm = `import { createHash } from 'node:crypto'
import { Embedder } from 'bge-m3-node'
import { cosine } from 'bge-m3-node/scoring'
${BODY}${PRINT}`

export const commonJs = `const { createHash } = require('node:crypto')
const { Embedder } = require('bge-m3-node')
const { cosine } = require('bge-m3-node/scoring')
${BODY}${PRINT}`

/** In a worker thread, which is then ended. */
export const worker = `import { createHash } from 'node:crypto'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { fileURLToPath } from 'node:url'
import { Embedder } from 'bge-m3-node'
import { cosine } from 'bge-m3-node/scoring'
${BODY}
if (isMainThread) {
  const worker = new Worker(fileURLToPath(import.meta.url))
  worker.on('error', (error) => { throw error })
  worker.on('message', async (result) => {
    await worker.terminate()
    console.log(JSON.stringify(result))
  })
} else {
  parentPort.postMessage(await main())
}
`

/** A module for bundlers that call it themselves. */
export const module = `import { createHash } from 'node:crypto'
import { Embedder } from 'bge-m3-node'
import { cosine } from 'bge-m3-node/scoring'
${BODY}export { main }\n`
