// The README's first program. Run it with a model: BGE_M3_MODEL=... node examples/basic/first.mjs
import { computeScore, Embedder } from 'bge-m3-node'

const m3 = await Embedder.load() // BGE_M3_MODEL, or what `bge-m3 model pull` fetched

// One text: one vector. A Float32Array of length 1, so a dot product is a cosine.
const { dense, tokenCount } = await m3.embed('What is BGE M3?')
console.log(`${dense.length} dimensions from ${tokenCount} tokens`)

// Several texts, and all three outputs from one pass.
const [query, ...passages] = await m3.embed(
  [
    'Which river flows through Basel?',
    'The Rhine flows through Basel before it turns north.',
    'Bread is baked in an oven.',
  ],
  { outputs: 'all' },
)
console.log(`sparse: ${query.sparse.indices.length} tokens with a weight`)
console.log(`colbert: ${query.colbert.rows} rows of ${query.colbert.cols}`)

for (const passage of passages) {
  const scores = computeScore(query, passage, { weights: [0.4, 0.2, 0.4] })
  console.log(scores['colbert+sparse+dense'].toFixed(4))
}

await m3.dispose()
