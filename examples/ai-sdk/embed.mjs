// The Vercel AI SDK on bge-m3.   npm install ai
import { cosineSimilarity, embed, embedMany } from 'ai'
import { Embedder } from 'bge-m3-node'
import { embeddingModel } from 'bge-m3-node/ai-sdk'

const m3 = await Embedder.load() // BGE_M3_MODEL, or what `bge-m3 model pull` fetched
const model = embeddingModel(m3)

const values = [
  'The Rhine flows through Basel before it turns north.',
  'Bread is baked in an oven.',
]
const { embeddings, usage } = await embedMany({ model, values })
const { embedding } = await embed({ model, value: 'Which river flows through Basel?' })
embeddings.forEach((other, i) => {
  console.log(cosineSimilarity(embedding, other).toFixed(4), values[i])
})
console.log(`${usage.tokens} tokens`)
await m3.dispose()
