// Estimated over measured seconds on mixed lengths, alone and beside a busy process:
//   node bench/node/estimate.mjs [--model F] [--texts 24] [--rounds 5] [--threads 1]
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { Embedder } from 'bge-m3-node'
import { createStandin } from 'bge-m3-node/model'
import { benchCache } from '../race/cache-dir.mjs'
import { loadParagraphs } from './texts.mjs'

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    texts: { type: 'string', default: '24' },
    rounds: { type: 'string', default: '5' },
    threads: { type: 'string', default: '1' },
  },
})
const model = options.model ?? path.join(benchCache, 'small.gguf')
if (!fs.existsSync(model)) {
  fs.mkdirSync(benchCache, { recursive: true })
  await createStandin({ output: model, size: 'small' })
}
const count = Number(options.texts)
const paragraphs = loadParagraphs()
const KINDS = {
  mixed: (i) => paragraphs[i].slice(0, i % 3 === 0 ? 40 + i : undefined),
  short: (i) => paragraphs[i].slice(0, 30),
  long: (i) => (i < count / 8 ? paragraphs.slice(8 * i, 8 * i + 8).join(' ') : `${i}`),
}
const OUTPUTS = [{ dense: true }, { dense: true, sparse: true, colbert: true }]

console.log('beside          texts  outputs  estimated / measured, each round    median   (load)')
for (const isBusy of [false, true]) {
  const other = isBusy ? spawn(process.execPath, ['-e', 'for (;;);']) : undefined
  const m3 = await Embedder.load({ model, cache: 0, threads: Number(options.threads) })
  for (const outputs of OUTPUTS) for (const kind of Object.keys(KINDS)) await row(kind, outputs)
  await m3.dispose()
  other?.kill()

  async function row(kind, outputs) {
    const texts = Array.from({ length: count }, (_, i) => KINDS[kind](i))
    const ratios = []
    for (let round = 0; round < Number(options.rounds); round++) {
      const { seconds } = await m3.estimate(texts, { outputs })
      const started = performance.now()
      await m3.embed(texts, { outputs })
      ratios.push((1000 * seconds) / (performance.now() - started))
    }
    const each = ratios.map((ratio) => ratio.toFixed(2)).join(' ')
    const median = ratios.sort((a, b) => a - b)[ratios.length >> 1]
    const cells = [
      isBusy ? 'a busy process' : 'nothing       ',
      kind.padEnd(6),
      outputs.colbert ? 'all  ' : 'dense',
    ]
    console.log([...cells, each, median.toFixed(2), `(${os.loadavg()[0].toFixed(1)})`].join('  '))
  }
}
