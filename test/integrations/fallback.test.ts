/** Where vectors are kept or compared, the fallback's are not: they are of another model. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { vector } from '@electric-sql/pglite-pgvector'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { embeddingModel } from '../../lib/exports/ai-sdk.js'
import { BgeM3EmbeddingFunction, BgeM3SparseEmbeddingFunction } from '../../lib/exports/chroma.js'
import { BgeM3Embeddings } from '../../lib/exports/langchain.js'
import { llamaIndexEmbedding } from '../../lib/exports/llamaindex.js'
import { loadTable, PostgresStore } from '../../lib/exports/postgres.js'
import { openIndex } from '../../lib/exports/search.js'
import { type EmbeddedChunk, Embedder, InferenceError } from '../../lib/index.js'
import { preparePoint } from '../../lib/integrations/stores/qdrant/points.js'
import { tinyPath } from '../helpers/standins.js'

let folder: string
let embedder: Embedder
let stored: { chunk: EmbeddedChunk; text: string }
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bge-m3-fallback-'))
  const damaged = join(folder, 'damaged.gguf')
  await writeFile(damaged, 'GGUF, cut off')
  const logger = { warn: () => {} }
  embedder = await Embedder.load({ model: damaged, fallback: await tinyPath(), logger })
  const { items } = await embedder.embedChunks([{ id: 'a', text: 'a text' }])
  stored = { chunk: items[0] as EmbeddedChunk, text: 'a text' }
})
afterAll(async () => {
  await embedder.dispose()
  await rm(folder, { recursive: true })
})

const NAMES = { dense: 'd', sparse: 's', colbert: 'c' }
const DENSE = { dense: true, sparse: false, colbert: false }

it('not by an adapter', async () => {
  expect(stored.chunk.embedding.fallback).toBe(embedder.info.fingerprint)
  const langchain = new BgeM3Embeddings(embedder)
  const llamaindex = await llamaIndexEmbedding(embedder)
  for (const run of [
    () => langchain.embedQuery('a text'),
    () => langchain.embedDocuments(['a text']),
    () => llamaindex.getTextEmbedding('a text'),
    () => llamaindex.getTextEmbeddings(['a text']),
    () => embeddingModel(embedder).doEmbed({ values: ['a text'] }),
    () => new BgeM3EmbeddingFunction({ embedder }).generate(['a text']),
    () => new BgeM3SparseEmbeddingFunction({ embedder }).generate(['a text']),
  ]) {
    await expect(run()).rejects.toThrow(InferenceError)
  }
})

it('not by a store, a loader or an index', async () => {
  expect(() => preparePoint(stored, { outputs: DENSE, names: NAMES, keepText: true })).toThrow(
    InferenceError,
  )

  const db = await PGlite.create({ extensions: { vector } })
  await db.exec('CREATE EXTENSION vector')
  const store = await PostgresStore.open(db, {
    table: 't',
    columns: { id: 'id', text: 'text', dense: 'dense' },
    model: embedder.info,
  })
  await store.prepare()
  await expect(store.write([stored])).rejects.toThrow(InferenceError)
  await db.query(`INSERT INTO t (id, text) VALUES ('b', 'b text')`)
  const columns = { id: 'id', text: 'text', dense: 'dense' }
  expect(await loadTable(embedder, db, { table: 't', columns })).toMatchObject({
    rows: 0,
    failed: 1,
    failures: [{ id: 'b', code: 'INFERENCE' }],
  })
  await db.close()

  await writeFile(join(folder, 'page.md'), 'a text')
  const index = await openIndex(join(folder, 'index'), { embedder })
  const { files } = await index.update(join(folder, 'page.md'))
  expect(files).toMatchObject({ new: 0, failed: 1 })
  await expect(index.store().write([stored])).rejects.toThrow(InferenceError)
  await index.close()
})
