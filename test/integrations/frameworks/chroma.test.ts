import { ChromaClient, Schema, SparseVectorIndexConfig } from 'chromadb'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Embedder } from '../../../lib/embedder/embedder.js'
import {
  BgeM3EmbeddingFunction,
  BgeM3SparseEmbeddingFunction,
  registerWithChroma,
} from '../../../lib/integrations/frameworks/chroma.js'
import { standinPath } from '../../helpers/standins.js'
import { paragraphs } from '../../helpers/texts.js'
import { type ChromaServer, startChromaServer } from './chroma-server.js'

let embedder: Embedder
let other: Embedder
let server: ChromaServer
let client: ChromaClient
beforeAll(async () => {
  embedder = await Embedder.load({ model: await standinPath({ size: 'tiny' }), cache: false })
  other = await Embedder.load({ model: await standinPath({ size: 'tiny', seed: 2 }), cache: false })
  server = await startChromaServer()
  client = new ChromaClient({ host: '127.0.0.1', port: server.port, ssl: false })
})
afterAll(async () => {
  await embedder.dispose()
  await other.dispose()
  await server.close()
})

const documents = paragraphs('en')
  .slice(0, 20)
  .map(({ text }) => text)

it('embeds what a collection gets and what it is asked', async () => {
  const collection = await client.createCollection({
    name: 'dense',
    embeddingFunction: new BgeM3EmbeddingFunction({ embedder }),
  })
  const ids = documents.map((_, i) => `id ' " / ${i}`)
  await collection.add({ ids, documents })
  const plain = await embedder.embed(documents)
  const stored = server.collections.get('dense')?.records
  plain.forEach(({ dense }, i) => {
    expect(stored?.get(ids[i] as string)?.embedding).toEqual(Array.from(dense as Float32Array))
  })
  const found = await collection.query({ queryTexts: [documents[7] as string], nResults: 1 })
  expect(found.ids).toEqual([[ids[7]]])
  expect(found.distances[0]?.[0]).toBeCloseTo(0, 5)
})

it('is found again by its name, and refuses another model', async () => {
  await registerWithChroma()
  await registerWithChroma({ embedder })
  await client.createCollection({
    name: 'again',
    embeddingFunction: new BgeM3EmbeddingFunction({ embedder, dimensions: 32 }),
  })
  expect(server.collections.get('again')?.configuration_json).toMatchObject({
    embedding_function: {
      name: 'bge-m3-node',
      config: { fingerprint: embedder.info.fingerprint, dimensions: 32 },
    },
  })
  const config = { fingerprint: embedder.info.fingerprint, dimensions: 32 }
  const rebuilt = BgeM3EmbeddingFunction.buildFromConfig(config)
  expect(rebuilt.getConfig()).toEqual(config)
  const collection = await client.getCollection({ name: 'again' })
  await collection.add({ ids: ['a'], documents: ['a text'] })
  const { dense } = await embedder.embed('a text', { dimensions: 32 })
  expect(server.collections.get('again')?.records.get('a')?.embedding).toEqual(
    Array.from(dense as Float32Array),
  )
  // the collection knows which model it has
  await registerWithChroma({ embedder: other })
  const mistaken = await client.getCollection({ name: 'again' })
  await expect(mistaken.add({ ids: ['b'], documents: ['b'] })).rejects.toThrow(/another model/)
  await registerWithChroma({ embedder })

  const wrong = new BgeM3EmbeddingFunction({ embedder: other }, embedder.info.fingerprint)
  await expect(wrong.generate(['a'])).rejects.toThrow(/another model/)
  expect(() => rebuilt.validateConfigUpdate({ dimensions: 64 })).toThrow(/dimensions/)
  expect(() => rebuilt.validateConfigUpdate({ fingerprint: 'x' })).toThrow(/fingerprint/)
  rebuilt.validateConfigUpdate({ truncate: 'end' })
})

it('gives sparse vectors as Chroma wants them', async () => {
  await registerWithChroma({ embedder })
  const sparse = new BgeM3SparseEmbeddingFunction({ embedder })
  const vectors = await sparse.generate([...documents.slice(0, 3), ''])
  const plain = await embedder.embed(documents.slice(0, 3), { outputs: { sparse: true } })
  plain.forEach((embedding, i) => {
    expect(vectors[i]).toEqual({
      indices: Array.from(embedding.sparse?.indices ?? []),
      values: Array.from(embedding.sparse?.values ?? []),
    })
  })
  expect(vectors[3]).toEqual({ indices: [], values: [] })
  expect(await sparse.generateForQueries(documents.slice(0, 1))).toEqual(vectors.slice(0, 1))

  const schema = new Schema().createIndex(
    new SparseVectorIndexConfig({ embeddingFunction: sparse, sourceKey: '#document' }),
    'lexical',
  )
  await client.createCollection({
    name: 'both',
    schema,
    embeddingFunction: new BgeM3EmbeddingFunction({ embedder }),
  })
  expect(JSON.stringify(server.collections.get('both')?.schema)).toContain('bge-m3-node-sparse')
  const collection = await client.getCollection({ name: 'both' })
  await collection.add({ ids: ['a'], documents: [documents[0] as string] })
  const { metadata } = server.collections.get('both')?.records.get('a') ?? {}
  expect(metadata).toMatchObject({ lexical: { indices: vectors[0]?.indices } })
})

it('loads a model when the first text comes', async () => {
  const model = await standinPath({ size: 'tiny' })
  const lazy = new BgeM3EmbeddingFunction({ load: { model, cache: false } })
  expect(lazy.getConfig()).toEqual({})
  expect(await lazy.generate(['a text'])).toEqual(
    (await embedder.embed(['a text'])).map(({ dense }) => Array.from(dense as Float32Array)),
  )
  expect(lazy.getConfig()).toEqual({ fingerprint: embedder.info.fingerprint })
  const missing = new BgeM3EmbeddingFunction({ load: { model: '/nowhere.gguf' } })
  await expect(missing.generate(['a'])).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' })
})
