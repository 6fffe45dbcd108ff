/** LangChain's and Chroma's Hugging Face clients, unchanged, given the base URL of `serve`. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { huggingFaceClients } from '../../../../scripts/hugging-face-clients.mjs'
import { type TestServer, testServer } from '../../../apps/server/helper.js'
import { run } from '../../../helpers/child.js'

const clients = huggingFaceClients()
const texts = ['Hallo Welt', 'a second text']

const LANGCHAIN_JS = `
import { HuggingFaceInferenceEmbeddings } from '@langchain/community/embeddings/hf'
const client = new HuggingFaceInferenceEmbeddings({ endpointUrl: URL, apiKey: 'secret', model: 'bge-m3' })
const query = await client.embedQuery(TEXTS[0])
console.log(JSON.stringify([...(await client.embedDocuments(TEXTS)), query]))`

const CHROMA_JS = `
import { HuggingfaceServerEmbeddingFunction } from '@chroma-core/huggingface-server'
const client = new HuggingfaceServerEmbeddingFunction({ url: URL, apiKey: 'secret' })
const [query] = await client.generate([TEXTS[0]])
console.log(JSON.stringify([...(await client.generate(TEXTS)), query]))`

// it takes names of the hub alone since 1.2 (`model` and `repo_id` must be no URL): its client is put in its place
const LANGCHAIN_PY = `
from huggingface_hub import InferenceClient
from langchain_huggingface import HuggingFaceEndpointEmbeddings
client = HuggingFaceEndpointEmbeddings(model='BAAI/bge-m3', huggingfacehub_api_token='secret')
client.client = InferenceClient(model=URL, token='secret')
print(json.dumps([*client.embed_documents(TEXTS), client.embed_query(TEXTS[0])]))`

const CHROMA_PY = `
from chromadb.utils.embedding_functions import HuggingFaceEmbeddingServer
client = HuggingFaceEmbeddingServer(url=URL, api_key='secret')
print(json.dumps([[float(x) for x in row] for row in [*client(TEXTS), *client(TEXTS[:1])]]))`

describe.skipIf(!clients)('given the base URL', () => {
  let served: TestServer
  let expected: Float32Array[]
  beforeAll(async () => {
    served = await testServer({ apiKey: ['secret'] })
    const direct = await served.post('/embed', { inputs: texts }, { 'x-api-key': 'secret' })
    const rows = (direct.json as number[][]).map((row) => Float32Array.from(row))
    expected = [...rows, rows[0] as Float32Array]
  })
  afterAll(() => served?.close())

  it.each([
    ['LangChain for JavaScript', 'js', LANGCHAIN_JS],
    ['Chroma for JavaScript', 'js', CHROMA_JS],
    ['LangChain for Python', 'py', LANGCHAIN_PY],
    ['Chroma for Python', 'py', CHROMA_PY],
  ])('%s embeds', async (_, language, program) => {
    const { folder, python } = clients as NonNullable<typeof clients>
    const [url, list] = [JSON.stringify(served.url), JSON.stringify(texts)]
    const { code, stdout, stderr } =
      language === 'js'
        ? await run(
            process.execPath,
            ['--input-type=module', '-e', `const URL = ${url}, TEXTS = ${list}\n${program}`],
            { cwd: folder },
          )
        : await run(python, ['-c', `import json\nURL = ${url}\nTEXTS = ${list}\n${program}`])
    expect(code, stderr).toBe(0)
    const found = JSON.parse(stdout.trim().split('\n').at(-1) as string) as number[][]
    expect(found.map((row) => Float32Array.from(row))).toEqual(expected)
  })
})
