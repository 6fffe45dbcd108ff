// What the server adds to a direct call: the same texts through `embedder.embed` and through HTTP, in
// turns, in one run, on one loaded model. Prints the ratio of the medians.
//   node bench/node/server.mjs [--model FILE] [--texts 32] [--rounds 9] [--paragraphs]
// Texts are sentences, some 40 tokens each, unless paragraphs are asked for: short ones make the most of
// what the server adds.
import { parseArgs } from 'node:util'
import { Embedder } from 'bge-m3-node'
import { createServer } from 'bge-m3-node/server'
import { loadParagraphs, sentencesOf } from './texts.mjs'

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    texts: { type: 'string', default: '32' },
    rounds: { type: 'string', default: '9' },
    paragraphs: { type: 'boolean', default: false },
  },
})
const count = Number(values.texts)
const rounds = Number(values.rounds)

const embedder = await Embedder.load({ ...(values.model && { model: values.model }), cache: false })
const server = await createServer({ embedder, port: 0, page: false, docs: false, logLevel: 'warn' })
const { url } = await server.start()

const paragraphs = loadParagraphs()
const texts = values.paragraphs ? paragraphs : sentencesOf(paragraphs)
const batch = (round) => texts.slice(round * count, (round + 1) * count)

async function direct(input) {
  await embedder.embed(input)
}

async function request(format, input) {
  const body = JSON.stringify({ model: 'bge-m3', input, encoding_format: format })
  const response = await fetch(`${url}/v1/embeddings`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  const { data } = await response.json()
  if (data.length !== input.length) throw new Error(`${response.status}`)
}

/** Wall and processor milliseconds: the latter say the same beside other busy processes. */
async function measure(run, input) {
  const started = performance.now()
  const cpu = process.cpuUsage()
  await run(input)
  const { user, system } = process.cpuUsage(cpu)
  return { wall: performance.now() - started, cpu: (user + system) / 1000 }
}

const ways = {
  direct,
  base64: (input) => request('base64', input),
  float: (input) => request('float', input),
}
const times = Object.fromEntries(Object.keys(ways).map((name) => [name, []]))
for (const run of Object.values(ways)) await run(batch(0)) // warm-up
for (let round = 1; round <= rounds; round++) {
  // the order turns, so that none is always first
  const names = Object.keys(ways)
  for (let i = 0; i < names.length; i++) {
    const name = names[(i + round) % names.length]
    times[name].push(await measure(ways[name], batch(round)))
  }
}

const STATISTICS = {
  'wall, median': (list) => list.map(({ wall }) => wall).sort((a, b) => a - b)[list.length >> 1],
  'wall, least': (list) => Math.min(...list.map(({ wall }) => wall)),
  'processor, median': (list) => list.map(({ cpu }) => cpu).sort((a, b) => a - b)[list.length >> 1],
}
const tokens = (await embedder.countTokens(batch(1))).reduce((sum, n) => sum + n, 0)
console.log(
  `${count} texts, about ${tokens} tokens a request, ${rounds} rounds, ${embedder.info.name}`,
)
for (const [title, of] of Object.entries(STATISTICS)) {
  const shown = Object.entries(times).map(([name, list]) => {
    const ratio = of(list) / of(times.direct)
    return `${name} ${of(list).toFixed(1)} ms (${ratio.toFixed(3)})`
  })
  console.log(`${title.padEnd(18)} ${shown.join('   ')}`)
}
await server.close()
await embedder.dispose()
