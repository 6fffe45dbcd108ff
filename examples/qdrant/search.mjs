// Hybrid search in Qdrant: dense and sparse find, reciprocal rank fusion joins, multi-vectors rerank.
//   npm install @qdrant/js-client-rest      (on Node 20: @qdrant/js-client-rest@1.18)
// The server's address is QDRANT_URL, and a key, if it wants one, QDRANT_API_KEY.
import { Embedder } from 'bge-m3-node'
import { loadQdrant, QdrantStore } from 'bge-m3-node/qdrant'

const { QDRANT_URL: url, QDRANT_API_KEY: apiKey } = process.env
if (!url) {
  console.log('Start a server, such as   docker run -p 6333:6333 qdrant/qdrant')
  console.log('and run this again with   QDRANT_URL=http://localhost:6333')
  process.exit(0)
}

const m3 = await Embedder.load() // BGE_M3_MODEL, or what `bge-m3 model pull` fetched
const outputs = { dense: true, sparse: true, colbert: true }
const options = { url, apiKey, collection: 'bge-m3-example', outputs }

const { points, skipped } = await loadQdrant(
  m3,
  [
    { id: 'rivers', text: 'The Rhine flows through Basel before it turns north.' },
    { id: 'bread', text: 'Bread is baked in an oven.' },
    { id: 'warsaw', text: 'Warsaw is the capital of Poland.', metadata: { country: 'PL' } },
  ],
  options,
)
console.log(`${points} points written, ${skipped} were there`)

const store = await QdrantStore.open(m3.info, options)
const query = await m3.embed('Which river flows through Basel?', { outputs })
for (const { id, score, text } of await store.search(query, { limit: 2 })) {
  console.log(score.toFixed(4), id, text)
}
await store.close()
await m3.dispose()
