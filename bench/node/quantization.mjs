// What `BGE_M3_QUANT=fixed` changes against `block`: the same texts through both; the least and mean cosine,
// and how many of the ten nearest neighbours stay the same. Beside them, to read those figures by: `nudged`,
// block with one weight per layer changed by a unit in its last place; `stock`, llama.cpp's own Q8_0 kernels;
// `float16`, the same weights in float16. Once with the stand-in's own outlier dimensions, once with five of
// 20 to 100 times the rest, as trained XLM-R models have them.
//   node bench/node/quantization.mjs [--size full] [--texts 1000] [--forms block,fixed,nudged,...] [--json F]
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Embedder } from 'bge-m3-node'
import { createStandin } from 'bge-m3-node/model'
import { benchCache } from '../race/cache-dir.mjs'
import { machine } from '../race/machine.mjs'
import { askChild, average, dot } from './compare.mjs'
import { loadParagraphs, sentencesOf, shuffled } from './texts.mjs'

const { values: options } = parseArgs({
  options: {
    size: { type: 'string', default: 'full' },
    texts: { type: 'string', default: '1000' },
    forms: { type: 'string', default: 'block,fixed,nudged' },
    json: { type: 'string' },
    // what a child process embeds with
    model: { type: 'string' },
  },
})
const OUTLIERS = { usual: [4, 4], planted: [20, 40, 60, 80, 100] }
const FORMS = {
  block: { quant: 'block' },
  fixed: { quant: 'fixed' },
  nudged: { quant: 'block', nudge: true },
  stock: { quant: 'ggml' },
  float16: { quant: 'block', type: 'f16' },
}
const K = 10
const texts = shuffled(
  sentencesOf(loadParagraphs()).filter((text) => text.length > 30),
  7,
).slice(0, Number(options.texts))

if (options.model) {
  const m3 = await Embedder.load({ model: options.model, cache: false })
  const found = await m3.embed(texts)
  process.send({ quantization: m3.info.quantization, dense: found.map(({ dense }) => [...dense]) })
  await m3.dispose() // the parent ends the channel, once it has all
} else {
  const result = {
    date: new Date().toISOString(),
    machine: machine(),
    texts: texts.length,
    rows: [],
  }
  for (const [outliers, outlierGains] of Object.entries(OUTLIERS)) {
    const vectors = {}
    for (const form of options.forms.split(',')) {
      const { quant, type = 'q8_0', nudge = false } = FORMS[form]
      const [first, ...others] = outlierGains
      const gains = nudge ? [first * (1 + 2 ** -23), ...others] : outlierGains
      const name = `${type}-${outliers}${nudge ? '-nudged' : ''}`
      vectors[form] = await embedded(await modelOf(type, name, gains), quant)
    }
    const names = Object.keys(vectors)
    for (const [i, a] of names.entries()) {
      for (const b of names.slice(i + 1)) {
        const row = { outliers, a, b, ...compared(vectors[a], vectors[b]) }
        result.rows.push(row)
        console.log(
          `${options.size}, ${outliers} outliers, ${a} and ${b}: neighbours@${K} ${(100 * row.neighbours).toFixed(2)} %, ` +
            `cosine ${row.leastCosine.toFixed(5)} at least, ${row.meanCosine.toFixed(6)} in the mean; ` +
            `cosines between texts ${row.spread.mean.toFixed(3)} +- ${row.spread.deviation.toFixed(3)}`,
        )
      }
    }
  }
  if (options.json) fs.writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`)
}

async function modelOf(type, name, outlierGains) {
  const output = path.join(benchCache, `${options.size}-${name}-outliers.gguf`)
  if (!fs.existsSync(output)) {
    fs.mkdirSync(benchCache, { recursive: true })
    await createStandin({ output, size: options.size, type, outlierGains })
  }
  return output
}

async function embedded(model, quant) {
  const args = ['--model', model, '--texts', options.texts]
  const script = fileURLToPath(import.meta.url)
  const { quantization, dense } = await askChild(
    script,
    args,
    quant === 'ggml' ? { BGE_M3_KERNELS: 'off' } : { BGE_M3_QUANT: quant },
  )
  if (quantization !== quant) throw new Error(`ran by ${quantization}, not ${quant}`)
  return dense.map((row) => Float32Array.from(row))
}

function compared(a, b) {
  const cosines = a.map((row, i) => dot(row, b[i]))
  const [inA, inB] = [a, b].map((rows) => rows.map((row, i) => nearest(rows, row, i)))
  const kept = inA.map((list, i) => list.filter((j) => inB[i].includes(j)).length / K)
  const between = a.flatMap((row, i) => a.slice(i + 1).map((other) => dot(row, other)))
  const mean = average(between)
  return {
    neighbours: average(kept),
    leastCosine: Math.min(...cosines),
    meanCosine: average(cosines),
    spread: { mean, deviation: Math.sqrt(average(between.map((x) => (x - mean) ** 2))) },
  }
}

/** The K rows nearest to row `self`. */
function nearest(rows, row, self) {
  return rows
    .map((other, j) => ({ j, cosine: j === self ? Number.NEGATIVE_INFINITY : dot(row, other) }))
    .sort((x, y) => y.cosine - x.cosine)
    .slice(0, K)
    .map(({ j }) => j)
}
