// Files to an index, a question to places in them:
//   npm install libsql htmlparser2      (htmlparser2 for HTML)
//   node examples/search/search.mjs [FOLDER] [QUESTION]
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Embedder } from 'bge-m3-node'
import { openIndex } from 'bge-m3-node/search'

const docs = fileURLToPath(new URL('../../docs', import.meta.url))
const [folder = docs, question = 'How does a run go on after a crash?'] = process.argv.slice(2)

const embedder = await Embedder.load() // BGE_M3_MODEL, or what `bge-m3 model pull` fetched
const store = await mkdtemp(join(tmpdir(), 'bge-m3-search-')) // a folder of yours keeps the index
const index = await openIndex(store, { embedder })

const { files, chunks, seconds } = await index.update(folder)
console.log(`${files.new} files, ${chunks.embedded} chunks in ${seconds.toFixed(1)} s`)
const again = await index.update(folder) // what did not change is not embedded again
console.log(`and again: ${again.files.unchanged} unchanged, ${again.chunks.embedded} embedded`)

for (const { path, line, score, text } of await index.search(question, { limit: 3 })) {
  console.log(`\n${relative('.', path)}:${line}  ${score.toFixed(4)}`)
  console.log(`  ${text.replace(/\s+/g, ' ').slice(0, 100)}`)
}

await index.close()
await embedder.dispose()
await rm(store, { recursive: true })
