// A server inside a program, and two ways to ask it.   node examples/server/serve.mjs
import { createServer } from 'bge-m3-node/server'

// port 0 is any that is free; the model is BGE_M3_MODEL, else the one that was pulled
const server = await createServer({ port: 0, logLevel: 'error', page: false })
const { url } = await server.start()

const post = async (path, body) => {
  const response = await fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  return response.json()
}

const { data, usage } = await post('/v1/embeddings', { input: ['Warsaw', 'the capital of Poland'] })
console.log(
  `${data.length} embeddings of ${data[0].embedding.length} from ${usage.total_tokens} tokens`,
)

const query = 'Which city is the capital of Poland?'
const texts = ['Bread is baked from flour.', 'Warsaw is the capital of Poland.']
for (const { index, score } of await post('/rerank', { query, texts })) {
  console.log(score.toFixed(4), texts[index])
}

await server.close()
