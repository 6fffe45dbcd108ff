// How far each form of arithmetic is from the float64 reference (native/test/reference), length by length:
// the mean of 1 - cosine over real texts, and its share of the mean distance between those texts. `stock` is
// llama.cpp's own Q8_0 kernels (BGE_M3_KERNELS=off), one text at a time.
//   npm run build && node scripts/native.mjs test   (builds the reference)
//   node bench/node/accuracy.mjs --model small.gguf [--lengths 8,16,32] [--texts 8] [--json F]
// A text of n tokens is taken `--texts` times at up to 256 tokens, half as often at each doubling after.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Embedder } from 'bge-m3-node'
import { machine } from '../race/machine.mjs'
import { askChild, average, cosine } from './compare.mjs'
import { chunkOfTokens, loadParagraphs, shuffled } from './texts.mjs'

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    lengths: { type: 'string', default: '8,16,32,64,128,256,512,1024,2048' },
    texts: { type: 'string', default: '8' },
    json: { type: 'string' },
    // the texts that a child process embeds
    input: { type: 'string' },
  },
})
const FORMS = {
  block: { BGE_M3_QUANT: 'block' },
  fixed: { BGE_M3_QUANT: 'fixed' },
  stock: { BGE_M3_KERNELS: 'off' },
}

if (options.input) await embedInput()
else await compare()

async function embedInput() {
  const texts = JSON.parse(fs.readFileSync(options.input, 'utf8'))
  const m3 = await Embedder.load({ model: options.model, cache: false })
  const found = await m3.embed(texts)
  process.send(found.map(({ dense }) => dense))
  await m3.dispose()
}

async function compare() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'bge-m3-accuracy-'))
  try {
    const cases = await chooseTexts()
    const input = path.join(folder, 'texts.json')
    fs.writeFileSync(input, JSON.stringify(cases.map(({ text }) => text)))
    const reference = referenceOf(
      cases.map(({ ids }) => ids),
      folder,
    )
    const vectors = {}
    for (const [form, environment] of Object.entries(FORMS)) {
      const args = ['--model', options.model, '--input', input]
      vectors[form] = await askChild(fileURLToPath(import.meta.url), args, environment)
    }
    const rows = options.lengths
      .split(',')
      .map(Number)
      .map((tokens) => {
        const own = cases.flatMap((one, i) => (one.tokens === tokens ? [i] : []))
        const errors = Object.keys(FORMS).map((form) => {
          const all = own.map((i) => 1 - cosine(vectors[form][i], reference[i]))
          return [form, { mean: average(all), worst: Math.max(...all) }]
        })
        const pairs = own.flatMap((i, at) => own.slice(at + 1).map((j) => [i, j]))
        const spread = pairs.length
          ? average(pairs.map(([i, j]) => 1 - cosine(reference[i], reference[j])))
          : undefined
        return { tokens, texts: own.length, spread, ...Object.fromEntries(errors) }
      })
    show(rows)
    const result = {
      date: new Date().toISOString(),
      machine: machine(),
      model: options.model,
      rows,
    }
    if (options.json) fs.writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`)
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

async function chooseTexts() {
  const m3 = await Embedder.load({ model: options.model, cache: false })
  const cases = []
  for (const tokens of options.lengths.split(',').map(Number)) {
    const count = Math.max(2, Math.round(Number(options.texts) / Math.max(1, tokens / 256)))
    const paragraphs = shuffled(loadParagraphs(), tokens)
    for (const text of await chunkOfTokens(m3, paragraphs, tokens, count)) {
      cases.push({ text, tokens, ids: [...(await m3.tokenize(text)).ids] })
    }
  }
  await m3.dispose()
  return cases
}

/** Dense vectors in float64; the record is described in reference_cli.cpp. */
function referenceOf(texts, folder) {
  const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')
  const raw = path.join(folder, 'reference')
  execFileSync(
    path.join(root, '.build', 'tests', 'bin', 'reference_cli'),
    [options.model, '--raw', raw],
    {
      input: texts.map((ids) => `${JSON.stringify({ ids })}\n`).join(''),
      stdio: ['pipe', 'ignore', 'inherit'],
    },
  )
  const bytes = fs.readFileSync(raw)
  const numbers = new Float64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8)
  let at = 0
  return texts.map(() => {
    const [, dim, entries, rows] = numbers.subarray(at, at + 6)
    const dense = numbers.slice(at + 6, at + 6 + dim)
    at += 6 + dim + 2 * entries + rows * dim
    return dense
  })
}

function show(rows) {
  const forms = Object.keys(FORMS)
  console.log(`| tokens | texts | between texts | ${forms.join(' | ')} | share of it |`)
  console.log(`|---|---|---|${forms.map(() => '---|').join('')}---|`)
  for (const row of rows) {
    const cells = forms.map((form) => row[form].mean.toExponential(2))
    const shares = forms.map((form) => ((100 * row[form].mean) / row.spread).toFixed(3))
    console.log(
      `| ${row.tokens} | ${row.texts} | ${row.spread.toFixed(3)} | ${cells.join(' | ')} | ${shares.join(', ')} % |`,
    )
  }
}
