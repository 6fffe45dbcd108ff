// What filling a Qdrant collection costs beside plain `embed` of the same texts, in turn.
//   node bench/node/qdrant.mjs [--model FILE] [--texts 48] [--rounds 3] [--outputs dense,sparse] [--url URL]
// Without --url the tests' contract server stands for Qdrant, in a process of its own on the same cores: it
// parses and checks each request, which a Qdrant on another machine would do there.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { Embedder } from 'bge-m3-node'
import { loadQdrant } from 'bge-m3-node/qdrant'
import { buildSync } from 'esbuild'
import { benchModel } from '../race/model.mjs'
import { loadParagraphs } from './texts.mjs'

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    texts: { type: 'string', default: '48' },
    rounds: { type: 'string', default: '3' },
    outputs: { type: 'string', default: 'dense,sparse' },
    url: { type: 'string' },
  },
})
const names = options.outputs.split(',')
const outputs = Object.fromEntries(
  ['dense', 'sparse', 'colbert'].map((name) => [name, names.includes(name)]),
)
const server = options.url ? undefined : await startServer()
const url = options.url ?? server.url
const m3 = await Embedder.load({ model: benchModel(options.model), cache: false })
await m3.warmup()
const texts = loadParagraphs().slice(0, Number(options.texts))
const chunks = texts.map((text, i) => ({ id: `${i}`, text }))
const collection = `bge_m3_bench_${process.pid}`
const load = () => loadQdrant(m3, chunks, { url, collection, outputs, again: true })
const plain = []
const filled = []
const cpu = []
const own = { plain: [], filled: [] }
try {
  await load() // compiles the server's validators, as a server that runs has long done
  for (let round = 0; round < Number(options.rounds); round++) {
    plain.push(await seconds(() => m3.embed(texts, { outputs }), own.plain))
    const before = server?.cpuSeconds()
    filled.push(await seconds(load, own.filled))
    if (server) cpu.push(server.cpuSeconds() - before)
  }
} finally {
  await fetch(`${url}/collections/${collection}`, { method: 'DELETE' })
  server?.stop()
  await m3.dispose()
}
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
console.log(
  `${texts.length} texts, ${names.join('+')}, into ${options.url ? 'Qdrant' : 'the contract server'}: ` +
    `${median(filled).toFixed(2)} s, plain embed ${median(plain).toFixed(2)} s: ` +
    `${((100 * median(plain)) / median(filled)).toFixed(1)} % of its throughput ` +
    `(best with best ${((100 * Math.min(...plain)) / Math.min(...filled)).toFixed(1)} %)` +
    `; processor time: plain ${median(own.plain).toFixed(2)} s, load ${median(own.filled).toFixed(2)} s,` +
    ` ${((100 * median(own.plain)) / median(own.filled)).toFixed(1)} %` +
    (server ? `, the server's own ${median(cpu).toFixed(2)} s` : ''),
)

/** @param processor gets what all threads of this process took, which other processes change less */
async function seconds(run, processor) {
  const from = performance.now()
  const before = process.cpuUsage()
  await run()
  const { user, system } = process.cpuUsage(before)
  processor.push((user + system) / 1e6)
  return (performance.now() - from) / 1000
}

async function startServer() {
  const root = path.resolve(import.meta.dirname, '../..')
  // inside of the project, so that its imports are found
  const outfile = path.join(root, 'node_modules/.cache/bge-m3-bench/qdrant-contract.mjs')
  buildSync({
    stdin: {
      contents: `import { startContractServer } from './test/helpers/qdrant-contract.ts'
        console.log((await startContractServer()).url)`,
      resolveDir: root,
    },
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    outfile,
  })
  const child = spawn(process.execPath, [outfile], { stdio: ['ignore', 'pipe', 'inherit'] })
  const address = await new Promise((resolve) => child.stdout.once('data', resolve))
  return {
    url: String(address).trim(),
    stop: () => child.kill(),
    /** User and system time; Linux alone tells. */
    cpuSeconds() {
      if (process.platform !== 'linux') return 0
      const fields = fs
        .readFileSync(`/proc/${child.pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')
      return (Number(fields[11]) + Number(fields[12])) / 100
    },
  }
}
