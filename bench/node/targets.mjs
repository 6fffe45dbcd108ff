// The targets that a user would name (REQUIREMENTS P3 to P5): one short text, batches of them, a MiniLM-shaped
// model, 2,600 chunks of 100 tokens. Cache off, medians of several runs, real text,
// no text twice in a call.
//   node bench/node/targets.mjs [--model full.gguf] [--minilm minilm.gguf] [--chunks 2600] [--json F]
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Embedder } from 'bge-m3-node'
import { createStandin } from 'bge-m3-node/model'
import { benchCache } from '../race/cache-dir.mjs'
import { machine } from '../race/machine.mjs'
import { benchModel } from '../race/model.mjs'
import { distinctTexts } from './texts.mjs'

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    minilm: { type: 'string' },
    chunks: { type: 'string', default: '2600' },
    json: { type: 'string' },
    // what a child process does: load, embed one text, and say how long it took from its start
    start: { type: 'string' },
  },
})

if (options.start) await coldStart(options.start)
else await measureAll()

async function measureAll() {
  const model = benchModel(options.model)
  const minilm = options.minilm ?? (await makeMinilm())
  const rows = []
  const row = (what, value, unit, target) => {
    rows.push({ what, value, unit, target })
    console.log(`| ${what} | ${value.toFixed(value < 10 ? 2 : 0)} ${unit} | ${target} |`)
  }
  console.log('| what | measured | target |\n|---|---|---|')
  let m3 = await Embedder.load({ model, cache: false })
  for (const tokens of [16, 32]) {
    const texts = await distinctTexts(m3, tokens, 256)
    const one = await median(31, () => m3.embed(texts[0]))
    row(`one text of ${tokens} tokens`, one, 'ms', '< 100 ms')
    const few = await median(11, () => m3.embed(texts.slice(0, 32)))
    row(`32 texts of ${tokens} tokens, a text`, few / 32, 'ms', '< 50 ms')
    const many = await median(5, () => m3.embed(texts))
    row(`256 texts of ${tokens} tokens, a text`, many / 256, 'ms', '< 30 ms')
  }
  const chunks = await distinctTexts(m3, 100, Number(options.chunks))
  row(
    `${chunks.length} chunks of 100 tokens`,
    (await timed(() => m3.embed(chunks))) / 1000,
    's',
    '< 300 s',
  )
  await m3.dispose()

  m3 = await Embedder.load({ model: minilm, cache: false })
  const texts = await distinctTexts(m3, 20, 4000)
  await m3.embed(texts.slice(0, 500))
  const all = await median(5, () => m3.embed(texts))
  row('MiniLM shape, 4,000 texts of 20 tokens', (1000 * texts.length) / all, 'texts/s', '>= 1,000')
  const few = await median(31, () => m3.embed(texts.slice(0, 32)))
  row('MiniLM shape, 32 texts of 20 tokens', few, 'ms', '< 100 ms')
  await m3.dispose()
  const starts = Array.from({ length: 7 }, () => startOf(minilm)).sort((a, b) => a - b)
  row('MiniLM shape, process start to first embedding', starts[3], 's', '< 1 s')
  m3 = await Embedder.load({ model: minilm, cache: true })
  await m3.embed(await distinctTexts(m3, 24, 10_000))
  row('MiniLM shape, resident with 10,000 cached', process.memoryUsage.rss() / 1e6, 'MB', '< 2,000')
  await m3.dispose()
  const result = { date: new Date().toISOString(), machine: machine(), rows }
  if (options.json) fs.writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`)
}

async function makeMinilm() {
  const output = `${benchCache}/minilm.gguf`
  fs.mkdirSync(benchCache, { recursive: true })
  if (!fs.existsSync(output)) await createStandin({ output, arch: 'minilm' })
  return output
}

async function timed(work) {
  const from = performance.now()
  await work()
  return performance.now() - from
}

async function median(runs, work) {
  const times = []
  for (let i = 0; i < runs; i++) times.push(await timed(work))
  return times.sort((a, b) => a - b)[Math.floor(runs / 2)]
}

function startOf(model) {
  const from = performance.now()
  const args = [fileURLToPath(import.meta.url), '--start', model]
  const { status } = spawnSync(process.execPath, args, { stdio: 'ignore' })
  if (status !== 0) throw new Error(`the child ended with ${status}`)
  return (performance.now() - from) / 1000
}

async function coldStart(model) {
  const m3 = await Embedder.load({ model, cache: false })
  await m3.embed('A first sentence, to see how long it takes.')
  await m3.dispose()
}
