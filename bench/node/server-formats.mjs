// What a request of vectors costs beside computing them, by the form of its answer: 32 vectors of 1,024 floats through
// `embedder.embed` and through HTTP, all of them cached, so that nothing but the server's own work is left; and, to
// compare, computing 32 sentences with the tiny stand-in. Medians of wall and processor milliseconds, in one process.
//   node bench/node/server-formats.mjs --model SMALL_STAND_IN.gguf --tiny TINY_STAND_IN.gguf [--rounds 40]
import { parseArgs } from 'node:util'
import { Embedder } from 'bge-m3-node'
import { createServer } from 'bge-m3-node/server'
import { loadParagraphs, sentencesOf } from './texts.mjs'

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    tiny: { type: 'string' },
    rounds: { type: 'string', default: '40' },
  },
})
const rounds = Number(values.rounds)
const inputs = sentencesOf(loadParagraphs()).slice(0, 32)

const embedder = await Embedder.load({ model: values.model })
const tiny = await Embedder.load({ model: values.tiny, cache: false })
const options = { embedder, port: 0, page: false, docs: false, logLevel: 'warn' }
const plain = await createServer(options)
const compressing = await createServer({ ...options, compress: true })
const [{ url }, { url: compressed }] = [await plain.start(), await compressing.start()]

/** Sends the texts, reads the answer as a client would; gives its bytes on the way, if they can be told. */
async function ask(base, path, body, headers, read) {
  const response = await fetch(base + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'accept-encoding': 'identity', ...headers },
    body: JSON.stringify(body),
  })
  const rows = await read(response)
  if (rows !== inputs.length) throw new Error(`${path}: ${response.status}, ${rows} rows`)
}
const json = async (response) => (await response.json()).length
const openai = async (response) => (await response.json()).data.length
const base64 = async (response) => {
  const { data } = await response.json()
  for (const { embedding } of data) {
    const { buffer, byteOffset } = Buffer.from(embedding, 'base64')
    if (new Float32Array(buffer.slice(byteOffset, byteOffset + 4096)).length !== 1024) return 0
  }
  return data.length
}
const bytes = (size) => async (response) => (await response.arrayBuffer()).byteLength / 1024 / size

const tei = (accept) => [{ inputs }, { accept }]
const v1 = (encoding_format) => [{ model: 'x', input: inputs, encoding_format }, {}]
const OCTETS = 'application/octet-stream'
const ways = {
  'embedder.embed, cached': () => embedder.embed(inputs),
  'computed by the tiny stand-in': () => tiny.embed(inputs),
  'JSON, /embed': () => ask(url, '/embed', ...tei('*/*'), json),
  'JSON, /v1/embeddings': () => ask(url, '/v1/embeddings', ...v1('float'), openai),
  'JSON, gzip': () => ask(compressed, '/embed', { inputs }, { 'accept-encoding': 'gzip' }, json),
  'base64, /v1/embeddings': () => ask(url, '/v1/embeddings', ...v1('base64'), base64),
  'octet-stream, float32': () => ask(url, '/embed', ...tei(OCTETS), bytes(4)),
  'octet-stream, float16': () =>
    ask(url, '/embed', ...tei(`${OCTETS}; precision=float16`), bytes(2)),
}

const times = Object.fromEntries(Object.keys(ways).map((name) => [name, []]))
for (let round = -3; round < rounds; round++) {
  for (const [name, way] of Object.entries(ways)) {
    const started = performance.now()
    const cpu = process.cpuUsage()
    await way()
    const { user, system } = process.cpuUsage(cpu)
    const wall = performance.now() - started
    if (round >= 0) times[name].push({ wall, cpu: (user + system) / 1000 })
  }
}

const median = (list) => list.sort((a, b) => a - b)[list.length >> 1]
console.log(`${rounds} rounds, 32 x ${embedder.info.dimensions}`)
for (const [name, list] of Object.entries(times)) {
  const [wall, cpu] = [median(list.map((one) => one.wall)), median(list.map((one) => one.cpu))]
  console.log(
    `${name.padEnd(30)} ${wall.toFixed(2).padStart(7)} ms  processor ${cpu.toFixed(2).padStart(7)} ms`,
  )
}
await plain.close()
await compressing.close()
await embedder.dispose()
await tiny.dispose()
