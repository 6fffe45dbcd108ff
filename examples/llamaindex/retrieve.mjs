// A LlamaIndex.TS index on bge-m3.   npm install llamaindex
import { Embedder } from 'bge-m3-node'
import { llamaIndexEmbedding } from 'bge-m3-node/llamaindex'
import { Document, Settings, VectorStoreIndex } from 'llamaindex'

const m3 = await Embedder.load() // BGE_M3_MODEL, or what `bge-m3 model pull` fetched
Settings.embedModel = await llamaIndexEmbedding(m3)

const index = await VectorStoreIndex.fromDocuments([
  new Document({ text: 'The Rhine flows through Basel before it turns north.' }),
  new Document({ text: 'Bread is baked in an oven.' }),
])
const retriever = index.asRetriever({ similarityTopK: 2 })
for (const { node, score } of await retriever.retrieve({ query: 'river in Basel' })) {
  console.log(score.toFixed(4), node.text)
}
await m3.dispose()
