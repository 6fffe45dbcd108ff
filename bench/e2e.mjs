// Tokens a second through the package itself, on real text, for the shapes that matter.
//   node bench/e2e.mjs [--model FILE] [--rounds 5] [--json]
import { parseArgs } from 'node:util'
import { Embedder } from 'bge-m3-node'
import { chunkOfTokens, loadParagraphs } from './node/texts.mjs'

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
  },
})
const shapes = [
  [1, 512],
  [8, 128],
  [32, 16],
  [1, 16],
  [1, 2048],
]
const m3 = await Embedder.load({ model: options.model, cache: false })
const paragraphs = loadParagraphs()
const rows = []
for (const [texts, tokens] of shapes) {
  rows.push({
    texts,
    tokens,
    input: await chunkOfTokens(m3, paragraphs, tokens, texts),
    speeds: [],
  })
}
for (let round = 0; round < Number(options.rounds); round++) {
  for (const row of rows) {
    const from = performance.now()
    const results = await m3.embed(row.input)
    const sum = results.reduce((n, { tokenCount }) => n + tokenCount, 0)
    row.speeds.push((sum / (performance.now() - from)) * 1000)
  }
}
const { isa, quantization, threads, name } = m3.info
const { rss } = m3.stats().memory
await m3.dispose()
const table = rows.map(({ texts, tokens, speeds }) => {
  const sorted = [...speeds].sort((a, b) => a - b)
  return {
    shape: `${texts}x${tokens}`,
    best: sorted.at(-1),
    median: sorted[Math.floor(sorted.length / 2)],
  }
})
if (options.json) console.log(JSON.stringify({ name, isa, quantization, threads, rss, table }))
else {
  console.log(
    `${name}; ${isa}, ${quantization}, ${threads} threads, RSS ${(rss / 1e6).toFixed(0)} MB`,
  )
  for (const { shape, best, median } of table) {
    console.log(
      `${shape.padEnd(8)} best ${best.toFixed(0).padStart(5)} tok/s   median ${median.toFixed(0).padStart(5)} tok/s`,
    )
  }
}
