// The README's first program: the question is nearer to the river than to the bread.
import { cosine, Embedder } from 'bge-m3-node'

const embedder = await Embedder.load() // bge-m3, or what BGE_M3_MODEL names

const [question, river, bread] = await embedder.embed([
  'Which river flows through Basel?',
  'The Rhine flows through Basel before it turns north.',
  'Bread is baked in an oven.',
])
console.log(cosine(question, river).toFixed(2), cosine(question, bread).toFixed(2))

await embedder.dispose()
