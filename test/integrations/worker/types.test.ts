/** A connected embedder's types are the embedder's. The compiler checks them (`npm run lint`); nothing runs. */
import type { ChildProcess } from 'node:child_process'
import type { MessagePort, Worker } from 'node:worker_threads'
import type { MessagePortMain, UtilityProcess } from 'electron'
import { describe, expectTypeOf, it } from 'vitest'
import type { ConnectedEmbedder, EmbedderPort } from '../../../lib/exports/worker.js'
import type { Embedder, EmbedderInfo, EmbedderStats, SparseEmbedding } from '../../../lib/index.js'

declare const m3: ConnectedEmbedder

describe('the type of a connected embedder', () => {
  it('follows what was asked for', () => {
    const plain = () => m3.embed('x')
    expectTypeOf<Awaited<ReturnType<typeof plain>>['dense']>().toEqualTypeOf<Float32Array>()
    expectTypeOf<Awaited<ReturnType<typeof plain>>>().not.toHaveProperty('sparse')
    const both = () => m3.embed(['x'], { outputs: ['dense', 'sparse'], precision: 'int8' })
    type Both = Awaited<ReturnType<typeof both>>[number]
    expectTypeOf<Both['dense']>().toEqualTypeOf<Int8Array>()
    expectTypeOf<Both['sparse']>().toEqualTypeOf<SparseEmbedding>()
  })

  it('has methods of the same types, and readings that come later', () => {
    expectTypeOf<ConnectedEmbedder['embed']>().toEqualTypeOf<Embedder['embed']>()
    expectTypeOf<ConnectedEmbedder['embedStream']>().toEqualTypeOf<Embedder['embedStream']>()
    expectTypeOf<ConnectedEmbedder['embedDocuments']>().toEqualTypeOf<Embedder['embedDocuments']>()
    expectTypeOf<ConnectedEmbedder['info']>().toEqualTypeOf<EmbedderInfo>()
    expectTypeOf<ReturnType<ConnectedEmbedder['stats']>>().toEqualTypeOf<Promise<EmbedderStats>>()
  })

  it('takes every kind of port', () => {
    expectTypeOf<Worker>().toExtend<EmbedderPort>()
    expectTypeOf<MessagePort>().toExtend<EmbedderPort>()
    expectTypeOf<ChildProcess>().toExtend<EmbedderPort>()
    expectTypeOf<NodeJS.Process>().toExtend<EmbedderPort>()
    expectTypeOf<UtilityProcess>().toExtend<EmbedderPort>()
    expectTypeOf<MessagePortMain>().toExtend<EmbedderPort>()
    expectTypeOf<NodeJS.Process['parentPort']>().toExtend<EmbedderPort>()
    expectTypeOf<string>().not.toExtend<EmbedderPort>()
  })
})
