// A Chroma collection on bge-m3.   npm install chromadb; a server: npx chroma run

import { Embedder } from 'bge-m3-node'
import { BgeM3EmbeddingFunction } from 'bge-m3-node/chroma'
import { ChromaClient } from 'chromadb'

const m3 = await Embedder.load() // BGE_M3_MODEL, or what `bge-m3 model pull` fetched
const client = new ChromaClient({
  host: process.env.CHROMA_HOST ?? '127.0.0.1',
  port: Number(process.env.CHROMA_PORT ?? 8000),
  ssl: false,
})
const collection = await client.getOrCreateCollection({
  name: 'bge-m3-example',
  embeddingFunction: new BgeM3EmbeddingFunction({ embedder: m3 }),
})
await collection.upsert({
  ids: ['rivers', 'food'],
  documents: ['The Rhine flows through Basel before it turns north.', 'Bread is baked in an oven.'],
})
const { ids, distances } = await collection.query({ queryTexts: ['river in Basel'], nResults: 2 })
ids[0].forEach((id, i) => {
  console.log((1 - distances[0][i]).toFixed(4), id)
})
await m3.dispose()
