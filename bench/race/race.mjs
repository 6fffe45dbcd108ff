// The race: this package and its peers, all alive in one run and asked in turn, on the same text.
//   npm run bench -- --model full.gguf [--quick] [--rounds 11] [--json F] [--save-baseline F]
//                    [--baseline F] [--report]
// Best and medians of each, ratios of best with best, peak memory. The machine may change its speed for
// seconds at a time: that is why engines take turns, and why best is compared with best.
import fs from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { report } from '../node/page.mjs'
import { EngineProcess } from './engine-process.mjs'
import { entrants, havePeers } from './entrants.mjs'
import { availableCores, machine } from './machine.mjs'
import { benchModel } from './model.mjs'
import { againstBaseline, asMarkdown } from './report.mjs'
import { makeInputs, SHAPES } from './shapes.mjs'

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    threads: { type: 'string' },
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    'save-baseline': { type: 'string' },
    baseline: { type: 'string' },
    report: { type: 'boolean', default: false },
  },
})
const rounds = Number(options.rounds ?? (options.quick ? 4 : 11))
const threads = Number(options.threads ?? availableCores())
const model = benchModel(options.model)
const withPeers = havePeers()
if (!withPeers) {
  say('!! bench/peers is not installed: racing without ONNX Runtime and node-llama-cpp.')
  say('!! To race against them: (cd bench/peers && npm install --ignore-scripts)')
}
const shapes = options.quick ? SHAPES.filter(({ peers }) => peers) : SHAPES
const inputs = await makeInputs(model, shapes)
// only peers' texts: a longer context would only cost them memory
const longest = Math.max(
  ...inputs.filter(({ peers }) => peers).flatMap(({ ids }) => ids.map((l) => l.length)),
)

const field = []
for (const entrant of entrants({ model, threads, withPeers, longest })) {
  const engine = new EngineProcess(entrant.env)
  const { module, options: how } = entrant
  const { name, details, openMs } = await engine.ask('open', { module, options: how })
  say(`${entrant.id}: ${name}, ready in ${(openMs / 1000).toFixed(1)} s`)
  const mine = inputs.filter(({ peers }) => peers || entrant.own)
  for (const { shape, texts, ids } of mine) {
    await engine.ask('prepare', { shape, input: { texts, ids } })
  }
  field.push({
    ...entrant,
    name,
    details,
    openMs,
    engine,
    inputs: mine,
    times: Object.fromEntries(mine.map(({ shape }) => [shape, []])),
  })
}
for (let round = 0; round < rounds; round++) {
  for (const { shape, tokens } of inputs) {
    for (const entrant of field) {
      if (!entrant.inputs.some((input) => input.shape === shape)) continue
      // a long text in every third round: it says the same and takes ten seconds
      if (tokens > 4096 && round % 3 !== 0) continue
      const { ms } = await entrant.engine.ask('embed', { shape })
      entrant.times[shape].push(ms)
    }
  }
  say(`round ${round + 1} of ${rounds}`)
}
const result = {
  date: new Date().toISOString(),
  machine: machine(),
  model: path.basename(model),
  threads,
  rounds,
  engines: [],
}
for (const { id, name, details, openMs, engine, inputs: mine, times } of field) {
  const { rss, peak } = await engine.ask('memory')
  await engine.close()
  const speeds = mine.map(({ shape, tokens }) => ({ shape, ...summary(tokens, times[shape]) }))
  result.engines.push({ id, name, ...details, openMs, rss, peak, shapes: speeds })
}
process.stdout.write(asMarkdown(result))
if (options.baseline) {
  process.stdout.write(
    againstBaseline(result, JSON.parse(fs.readFileSync(options.baseline, 'utf8'))),
  )
}
write(options.json, JSON.stringify(result, null, 2))
write(options['save-baseline'], JSON.stringify(result, null, 2))
if (options.report) {
  report('race', result)
  say('wrote docs/benchmarks.md')
}

/** Tokens a second. */
function summary(tokens, times) {
  const sorted = [...times].sort((a, b) => a - b)
  return {
    tokens,
    best: (1000 * tokens) / sorted[0],
    median: (1000 * tokens) / sorted[Math.floor(sorted.length / 2)],
    runs: times.length,
  }
}

function write(file, text) {
  if (!file) return
  fs.mkdirSync(path.dirname(path.resolve(file)), { recursive: true })
  fs.writeFileSync(file, `${text.trimEnd()}\n`)
  say(`wrote ${file}`)
}

function say(line) {
  process.stderr.write(`${line}\n`)
}
