// What `BGE_M3_QUANT=group` changes against `block`: the same texts through both, and through the same
// weights in float16 when asked; the least and mean cosine, and how many of the ten nearest neighbours
// stay the same. Once with the stand-in's own outlier dimensions, once with five of 20 to 100 times the
// rest, as trained XLM-R models have them.
//   node bench/quantization.mjs [--size full] [--texts 1000] [--float] [--json F]
import { fork } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Embedder } from 'bge-m3-node'
import { createStandin } from 'bge-m3-node/model'
import { benchCache } from './race/cache-dir.mjs'
import { machine } from './race/machine.mjs'
import { loadParagraphs, sentencesOf, shuffled } from './texts.mjs'

const { values: options } = parseArgs({
  options: {
    size: { type: 'string', default: 'full' },
    texts: { type: 'string', default: '1000' },
    float: { type: 'boolean', default: false },
    json: { type: 'string' },
    // what a child process embeds with
    model: { type: 'string' },
  },
})
const OUTLIERS = { usual: undefined, planted: [20, 40, 60, 80, 100] }
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
    const vectors = {
      block: await embedded(await modelOf('q8_0', outliers, outlierGains), 'block'),
      group: await embedded(await modelOf('q8_0', outliers, outlierGains), 'group'),
    }
    if (options.float) {
      vectors.float16 = await embedded(await modelOf('f16', outliers, outlierGains), 'block')
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

async function modelOf(type, outliers, outlierGains) {
  const output = path.join(benchCache, `${options.size}-${type}-${outliers}-outliers.gguf`)
  if (!fs.existsSync(output)) {
    fs.mkdirSync(benchCache, { recursive: true })
    await createStandin({ output, size: options.size, type, outlierGains })
  }
  return output
}

function embedded(model, quant) {
  return new Promise((resolve, reject) => {
    const args = ['--model', model, '--texts', options.texts]
    const child = fork(fileURLToPath(import.meta.url), args, {
      env: { ...process.env, BGE_M3_QUANT: quant },
      serialization: 'advanced',
    })
    child.once('message', ({ quantization, dense }) => {
      child.disconnect()
      if (quantization !== quant) reject(new Error(`ran by ${quantization}, not ${quant}`))
      resolve(dense.map((row) => Float32Array.from(row)))
    })
    child.once('exit', (code) => reject(new Error(`the child ended with ${code}`)))
  })
}

function dot(a, b) {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i]
  return sum
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

function average(list) {
  return list.reduce((sum, x) => sum + x, 0) / list.length
}

/** The K rows nearest to row `self`. */
function nearest(rows, row, self) {
  return rows
    .map((other, j) => ({ j, cosine: j === self ? Number.NEGATIVE_INFINITY : dot(row, other) }))
    .sort((x, y) => y.cosine - x.cosine)
    .slice(0, K)
    .map(({ j }) => j)
}
