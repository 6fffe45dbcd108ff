// A LangChain vector store on bge-m3.   npm install @langchain/core @langchain/classic
import { MemoryVectorStore } from '@langchain/classic/vectorstores/memory'
import { Embedder } from 'bge-m3-node'
import { BgeM3Embeddings } from 'bge-m3-node/langchain'

const m3 = await Embedder.load() // BGE_M3_MODEL, or what `bge-m3 model pull` fetched
const store = new MemoryVectorStore(new BgeM3Embeddings(m3))
await store.addDocuments([
  {
    pageContent: 'The Rhine flows through Basel before it turns north.',
    metadata: { topic: 'rivers' },
  },
  { pageContent: 'Bread is baked in an oven.', metadata: { topic: 'food' } },
])
for (const [{ pageContent }, score] of await store.similaritySearchWithScore('river in Basel', 2)) {
  console.log(score.toFixed(4), pageContent)
}
await m3.dispose()
