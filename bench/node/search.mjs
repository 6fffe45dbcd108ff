// What indexing files costs beside plain `embed` of the same chunks, in turn; and with --search what a search
// takes in an index of so many made-up chunks.
//   node bench/node/search.mjs [--model FILE] [--files 24] [--rounds 3]
//   node bench/node/search.mjs --search 20000 --model SMALL.gguf
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Embedder } from 'bge-m3-node'
import { openIndex } from 'bge-m3-node/search'
import { benchModel } from '../race/model.mjs'
import { loadParagraphs } from './texts.mjs'

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    files: { type: 'string', default: '24' },
    rounds: { type: 'string', default: '3' },
    search: { type: 'string' },
  },
})
const m3 = await Embedder.load({ model: benchModel(options.model), cache: false })
await m3.warmup()
const folder = await mkdtemp(join(tmpdir(), 'bench-search-'))
const outputs = { dense: true, sparse: true }
try {
  await (options.search ? search(Number(options.search)) : throughput())
} finally {
  await rm(folder, { recursive: true })
  await m3.dispose()
}

async function throughput() {
  const docs = join(folder, 'docs')
  await mkdir(docs)
  const paragraphs = loadParagraphs()
  for (let i = 0; i < Number(options.files); i++) {
    await writeFile(join(docs, `${i}.md`), paragraphs.slice(3 * i, 3 * i + 3).join('\n\n'))
  }
  const indexed = []
  const plain = []
  let texts
  for (let round = 0; round <= Number(options.rounds); round++) {
    const index = await openIndex(join(folder, `store-${round}`), { embedder: m3 })
    const time = await seconds(() => index.update(docs))
    texts ??= (await index.search('all', { limit: 1000, mode: 'dense' })).map(({ text }) => text)
    await index.close()
    const other = await seconds(() => m3.embed(texts, { outputs, priority: 'bulk' }))
    if (round === 0) continue // the first fills the caches of the file system and the processor
    indexed.push(time)
    plain.push(other)
  }
  const [a, b] = [median(plain), median(indexed)]
  console.log(
    `${texts.length} chunks of ${options.files} files: index ${b.toFixed(2)} s, plain embed ${a.toFixed(2)} s: ` +
      `${((100 * a) / b).toFixed(1)} % of its throughput ` +
      `(best with best ${((100 * Math.min(...plain)) / Math.min(...indexed)).toFixed(1)} %)`,
  )
}

async function search(count) {
  const index = await openIndex(join(folder, 'store'), { embedder: m3 })
  const store = index.store()
  const { dimensions, vocabSize, fingerprint: model } = m3.info
  const text = loadParagraphs()[0].slice(0, 500)
  const writing = await seconds(async () => {
    for (let from = 0; from < count; from += 256) {
      const chunks = Array.from({ length: Math.min(256, count - from) }, (_, i) => madeUp(from + i))
      await store.write(chunks)
    }
  })
  const { bytes } = await index.stats()
  console.log(`${count} chunks written in ${writing.toFixed(1)} s, ${(bytes / 1e6).toFixed(0)} MB`)
  const query = 'Which river flows through Basel?'
  const embedding = []
  for (let i = 0; i < 11; i++) embedding.push(await seconds(() => m3.embed(query, { outputs })))
  console.log(`query alone: ${(1000 * median(embedding)).toFixed(0)} ms`)
  for (const mode of ['dense', 'sparse', 'hybrid']) {
    const times = []
    for (let i = 0; i < 11; i++) times.push(await seconds(() => index.search(query, { mode })))
    console.log(`${mode}: ${(1000 * median(times)).toFixed(0)} ms`)
  }
  await store.close()
  await index.close()

  function madeUp(i) {
    const dense = Float32Array.from({ length: dimensions }, () => Math.random() - 0.5)
    const length = Math.hypot(...dense)
    const indices = new Set()
    while (indices.size < 150) indices.add(Math.floor(vocabSize * Math.random() ** 4))
    const sparse = {
      indices: Uint32Array.from(indices).sort(),
      values: Float32Array.from({ length: 150 }, () => Math.random() * 0.3),
    }
    const embedding = { dense: dense.map((x) => x / length), sparse, tokenCount: 150 }
    return { chunk: { id: String(i), model, embedding }, text: `${i} ${text}` }
  }
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
}

async function seconds(run) {
  const from = performance.now()
  await run()
  return (performance.now() - from) / 1000
}
