// What `npm run quickstart` shows: paragraphs and their nearest neighbours, in four languages if the model knows them.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Embedder, topK } from 'bge-m3-node'
import { getModel } from './model.mjs'

const fixtures = path.resolve(
  path.dirname(fileURLToPath(import.meta.url)),
  '../../test/fixtures/xquad',
)
const { file, standin } = await getModel()
let started = performance.now()
const m3 = await Embedder.load({ model: file })
const languages = m3.info.name === 'all-MiniLM-L6-v2' ? ['en'] : ['en', 'de', 'zh', 'ar']
const paragraphs = languages.flatMap((language) =>
  JSON.parse(fs.readFileSync(path.join(fixtures, `${language}.json`), 'utf8'))
    .slice(0, languages.length === 1 ? 160 : 40)
    .filter((_, i) => i % 5 === 0),
)
console.log(
  `\nLoaded ${path.basename(file)} in ${seconds(started)} s (${m3.info.threads} threads).`,
)

started = performance.now()
const embeddings = await m3.embed(paragraphs.map((p) => p.text))
const tokens = embeddings.reduce((sum, e) => sum + e.tokenCount, 0)
console.log(
  `Embedded ${paragraphs.length} paragraphs (${tokens} tokens) in ${seconds(started)} s.\n`,
)

const vectors = embeddings.map((e) => e.dense)
for (const i of [0, 9, 18, 27]) {
  console.log(`${paragraphs[i].id}: ${excerpt(paragraphs[i].text)}`)
  for (const { index, score } of topK(vectors[i], vectors, 4)
    .filter((hit) => hit.index !== i)
    .slice(0, 3)) {
    console.log(
      `   ${score.toFixed(3)}  ${paragraphs[index].id}: ${excerpt(paragraphs[index].text)}`,
    )
  }
}
await m3.dispose()

if (standin) {
  console.log(`
NOTE: these neighbours mean nothing. The model is a STAND-IN with random weights, used because BGE_M3_MODEL
names it or because the real one could not be downloaded. Get that with \`node dist/cli/main.js model pull\`
(\`npx bge-m3 model pull\` where the package is installed), unset BGE_M3_MODEL, and run this again.`)
}

function excerpt(text) {
  return text.length > 70 ? `${text.slice(0, 69)}…` : text
}

function seconds(from) {
  return ((performance.now() - from) / 1000).toFixed(2)
}
