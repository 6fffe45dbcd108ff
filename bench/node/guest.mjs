// What kind of guest are we? The event loop while we embed, the speed beside a busy process, the cost of
// idling, the second load.
//   node bench/node/guest.mjs [--model FILE] [--seconds 10]        prints a table, --json for programs
import { spawn } from 'node:child_process'
import { parseArgs } from 'node:util'
import { Embedder } from 'bge-m3-node'
import { chunkOfTokens, loadParagraphs } from './texts.mjs'

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    seconds: { type: 'string', default: '10' },
    json: { type: 'boolean', default: false },
  },
})
const seconds = Number(options.seconds)
const started = performance.now()
const m3 = await Embedder.load({ model: options.model, cache: false })
const coldLoad = performance.now() - started
const texts = await chunkOfTokens(m3, loadParagraphs(), 512, 24)

const result = {
  model: m3.info.name,
  isa: m3.info.isa,
  threads: m3.info.threads,
  loadMs: coldLoad,
  secondLoadMs: await secondLoad(),
  timer: await timerLateness(),
  aloneAndBeside: await besideBusyProcess(),
  idleCores: await idle(),
}
await m3.dispose()
print(result)

async function secondLoad() {
  const times = []
  for (let i = 0; i < 5; i++) {
    const from = performance.now()
    const again = await Embedder.load({ model: options.model, cache: false })
    times.push(performance.now() - from)
    await again.dispose()
  }
  return median(times)
}

/** Embeds 512-token texts for a while; `during` runs beside it. Tokens a second. */
async function throughput(forSeconds = seconds) {
  const end = performance.now() + forSeconds * 1000
  const from = performance.now()
  let tokens = 0
  for (let i = 0; performance.now() < end; i++) {
    const batch = [texts[(2 * i) % texts.length], texts[(2 * i + 1) % texts.length]]
    for (const { tokenCount } of await m3.embed(batch)) tokens += tokenCount
  }
  return (tokens / (performance.now() - from)) * 1000
}

/** How late a 10 ms timer is while texts of 512 tokens are embedded. */
async function timerLateness() {
  const late = []
  let due = performance.now() + 10
  const timer = setInterval(() => {
    const now = performance.now()
    late.push(Math.max(0, now - due))
    due = now + 10
  }, 10)
  await throughput()
  clearInterval(timer)
  late.sort((a, b) => a - b)
  const at = (p) => late[Math.min(late.length - 1, Math.floor(late.length * p))]
  return { ticks: late.length, p50: at(0.5), p99: at(0.99), max: late.at(-1) }
}

/** Alone and beside a process that burns a core, in turn, three rounds; medians. */
async function besideBusyProcess() {
  const alone = []
  const beside = []
  for (let round = 0; round < 3; round++) {
    alone.push(await throughput(seconds / 2))
    const busy = spawn(process.execPath, ['-e', 'for (;;) Math.sqrt(Math.random())'], {
      stdio: 'ignore',
    })
    await new Promise((resolve) => setTimeout(resolve, 300))
    beside.push(await throughput(seconds / 2))
    busy.kill('SIGKILL')
  }
  const [a, b] = [median(alone), median(beside)]
  return { alone: a, beside: b, share: b / a }
}

/** Share of a core that a loaded, idle embedder uses. */
async function idle() {
  await new Promise((resolve) => setTimeout(resolve, 3000)) // a large context is given back after two
  const before = process.cpuUsage()
  const from = performance.now()
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000 / (performance.now() - from)
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
}

function print(r) {
  if (options.json) return console.log(JSON.stringify(r))
  console.log(`${r.model}; ${r.isa}, ${r.threads} threads
load                               ${r.loadMs.toFixed(0)} ms
second load of the loaded file     ${r.secondLoadMs.toFixed(1)} ms (median of 5)
10 ms timer while embedding        ${r.timer.p50.toFixed(1)} ms late at the median, ${r.timer.p99.toFixed(1)} at p99, ${r.timer.max.toFixed(1)} at worst (${r.timer.ticks} ticks)
alone / beside one busy process    ${r.aloneAndBeside.alone.toFixed(0)} / ${r.aloneAndBeside.beside.toFixed(0)} tok/s: ${(100 * r.aloneAndBeside.share).toFixed(0)} % (medians of 3)
idle                               ${(100 * r.idleCores).toFixed(2)} % of a core`)
}
