// What the sparse and ColBERT heads cost on top of a dense pass, in one run, interleaved.
//   node bench/node/heads.mjs [--model FILE] [--rounds 9]
import { parseArgs } from 'node:util'
import { Embedder } from 'bge-m3-node'
import { chunkOfTokens, loadParagraphs } from './texts.mjs'

const { values: options } = parseArgs({
  options: { model: { type: 'string' }, rounds: { type: 'string', default: '9' } },
})
const m3 = await Embedder.load({ model: options.model, cache: false })
const [text] = await chunkOfTokens(m3, loadParagraphs(), 512, 1)
const kinds = {
  dense: { dense: true },
  'dense + sparse': { dense: true, sparse: true },
  'all three': { dense: true, sparse: true, colbert: true },
}
const times = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, []]))
await m3.embed(text)
for (let round = 0; round < Number(options.rounds); round++) {
  for (const [kind, outputs] of Object.entries(kinds)) {
    const from = performance.now()
    await m3.embed(text, { outputs })
    times[kind].push(performance.now() - from)
  }
}
await m3.dispose()
const best = (list) => Math.min(...list)
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)]
for (const [kind, list] of Object.entries(times)) {
  const over = (100 * (median(list) / median(times.dense) - 1)).toFixed(1)
  console.log(
    `${kind.padEnd(15)} best ${best(list).toFixed(0)} ms, median ${median(list).toFixed(0)} ms (${over} % over dense)`,
  )
}
