// Do two models find the same neighbours? Loads both at once and compares their rankings.
//   node examples/compare-models/compare.mjs A.gguf B.gguf [texts.txt]
import fs from 'node:fs'
import path from 'node:path'
import { Embedder, topK } from 'bge-m3-node'

const [, , a, b, file] = process.argv
if (!a || !b) {
  console.error('usage: node compare.mjs A.gguf B.gguf [texts.txt]')
  process.exit(2)
}
const texts = file
  ? fs.readFileSync(file, 'utf8').split('\n').filter(Boolean)
  : JSON.parse(
      fs.readFileSync(new URL('../../test/fixtures/xquad/en.json', import.meta.url), 'utf8'),
    )
      .slice(0, 24)
      .map((paragraph) => paragraph.text)
const K = Math.min(5, texts.length - 1)

const models = await Promise.all([a, b].map((model) => Embedder.load({ model })))
const rankings = []
for (const m3 of models) {
  const { model, name, dimensions, standin } = m3.info
  console.log(`${path.basename(model)}: ${name}, ${dimensions} dimensions`)
  if (standin) console.log('  (a stand-in: its neighbours mean nothing)')
  const started = performance.now()
  const vectors = (await m3.embed(texts, { truncate: 'end' })).map((embedding) => embedding.dense)
  console.log(`  ${texts.length} texts in ${((performance.now() - started) / 1000).toFixed(2)} s`)
  rankings.push(vectors.map((vector, i) => neighbours(vector, vectors, i)))
}

const [first, second] = rankings
const shared = first.map((ids, i) => ids.filter((id) => second[i].includes(id)).length / K)
const mean = shared.reduce((sum, share) => sum + share, 0) / shared.length
console.log(`neighbours@${K} that both agree on: ${(100 * mean).toFixed(1)} %`)
await Promise.all(models.map((m3) => m3.dispose()))

/** Positions of the K nearest others. */
function neighbours(vector, vectors, self) {
  return topK(vector, vectors, K + 1)
    .map((hit) => hit.index)
    .filter((index) => index !== self)
    .slice(0, K)
}
