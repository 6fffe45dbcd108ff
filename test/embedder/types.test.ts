/** Types that follow from a call's options. The compiler checks them (`npm run lint`); nothing runs. */
import { describe, expectTypeOf, it } from 'vitest'
import type {
  ColbertEmbedding,
  Embedder,
  EmbedderError,
  Embedding,
  EmbedOptions,
  OutputsOption,
  RankedDocument,
  Reranker,
  RerankerOptions,
  RerankResult,
  SparseEmbedding,
} from '../../lib/index.js'

declare const m3: Embedder
declare const reranker: Reranker
declare const wide: EmbedOptions
declare const some: boolean
declare const names: ('dense' | 'sparse')[]

/** What a call would give. */
type Given<T extends () => Promise<unknown>> = Awaited<ReturnType<T>>

describe('the type of a result', () => {
  it('has what was asked for, and nothing else', () => {
    const plain = () => m3.embed('x')
    expectTypeOf<Given<typeof plain>['dense']>().toEqualTypeOf<Float32Array>()
    expectTypeOf<Given<typeof plain>>().not.toHaveProperty('sparse')
    const none = () => m3.embed('x', { outputs: undefined, normalize: false })
    expectTypeOf<Given<typeof none>['dense']>().toEqualTypeOf<Float32Array>()

    const both = () => m3.embed('x', { outputs: { dense: true, sparse: true, colbert: false } })
    expectTypeOf<Given<typeof both>['dense']>().toEqualTypeOf<Float32Array>()
    expectTypeOf<Given<typeof both>['sparse']>().toEqualTypeOf<SparseEmbedding>()
    expectTypeOf<Given<typeof both>>().not.toHaveProperty('colbert')

    const named = () => m3.embed('x', { outputs: ['sparse'] })
    expectTypeOf<Given<typeof named>['sparse']>().toEqualTypeOf<SparseEmbedding>()
    expectTypeOf<Given<typeof named>>().not.toHaveProperty('dense')

    const all = () => m3.embed('x', { outputs: 'all', precision: 'int8' })
    expectTypeOf<Given<typeof all>['dense']>().toEqualTypeOf<Int8Array>()
    expectTypeOf<Given<typeof all>['sparse']>().toEqualTypeOf<SparseEmbedding>()
    expectTypeOf<Given<typeof all>['colbert']>().toEqualTypeOf<ColbertEmbedding<'int8'>>()
  })

  it('may have what only running can tell', () => {
    const perhaps = () => m3.embed('x', { outputs: { dense: true, sparse: some } })
    expectTypeOf<Given<typeof perhaps>['dense']>().toEqualTypeOf<Float32Array>()
    expectTypeOf<Given<typeof perhaps>['sparse']>().toEqualTypeOf<SparseEmbedding | undefined>()
    const listed = () => m3.embed('x', { outputs: names })
    expectTypeOf<Given<typeof listed>['dense']>().toEqualTypeOf<Float32Array | undefined>()
    expectTypeOf<Given<typeof listed>>().not.toHaveProperty('colbert')
    const open = () => m3.embed('x', wide)
    expectTypeOf<Given<typeof open>['dense']>().toEqualTypeOf<
      Float32Array | Uint16Array | Int8Array | Uint8Array | undefined
    >()
    expectTypeOf<Given<typeof open>>().toHaveProperty('colbert')
    expectTypeOf<Embedding>().toEqualTypeOf<Embedding<'float32', OutputsOption>>()
  })

  it('admits errors where they are collected, or may be', () => {
    type One = Embedding<'float32', undefined>
    const thrown = () => m3.embed(['x'])
    expectTypeOf<Given<typeof thrown>>().toEqualTypeOf<One[]>()
    const named = () => m3.embed(['x'], { onError: 'throw' })
    expectTypeOf<Given<typeof named>>().toEqualTypeOf<One[]>()
    const collected = () => m3.embed(['x'], { onError: 'collect' })
    expectTypeOf<Given<typeof collected>>().toEqualTypeOf<(One | EmbedderError)[]>()
    const open = () => m3.embed(['x'], wide)
    expectTypeOf<EmbedderError>().toExtend<Given<typeof open>[number]>()
    const either = (input: string | string[]) => m3.embed(input)
    expectTypeOf<Awaited<ReturnType<typeof either>>>().toEqualTypeOf<One | One[]>()
  })

  it('is the same of chunks, documents, streams and tokens', () => {
    const options = { outputs: ['dense', 'colbert'], precision: 'float16' } as const
    const chunks = () => m3.embedChunks([{ id: 'a', text: 'x' }], options)
    type Item = Given<typeof chunks>['items'][number]['embedding']
    expectTypeOf<Item['dense']>().toEqualTypeOf<Uint16Array>()
    expectTypeOf<Item['colbert']>().toEqualTypeOf<ColbertEmbedding<'float16'>>()
    const documents = () => m3.embedDocuments({ a: [{ id: 'a', text: 'x' }] }, options)
    type Found = Given<typeof documents> extends Map<string, infer R> ? R : never
    expectTypeOf<Found>().toEqualTypeOf<Given<typeof chunks>>()
    const tokens = () => m3.embedTokens([[0, 5, 2]], options)
    expectTypeOf<Given<typeof tokens>[number]['dense']>().toEqualTypeOf<Uint16Array>()
    const stream = () => m3.embedStream(['x'], options).next()
    type Streamed = Extract<Given<typeof stream>, { done?: false }>['value']
    expectTypeOf<Streamed['embedding']['dense']>().toEqualTypeOf<Uint16Array>()
    const collected = () => m3.embedStream(['x'], { ...options, onError: 'collect' }).next()
    type Collected = Extract<Given<typeof collected>, { done?: false }>['value']
    expectTypeOf<Extract<Collected, { error: EmbedderError }>>().not.toBeNever()
  })

  it('has what a chunk came with', () => {
    const chunk = { id: 'a', text: 'x', references: ['b'], page: 3 }
    const kept = () => m3.embedChunks([chunk])
    type Item = Given<typeof kept>['items'][number]
    expectTypeOf<Item['text']>().toEqualTypeOf<string>()
    expectTypeOf<Item['references']>().toEqualTypeOf<string[]>()
    expectTypeOf<Item['page']>().toEqualTypeOf<number>()
    expectTypeOf<Item['embedding']['dense']>().toEqualTypeOf<Float32Array>()
    const bare = () => m3.embedChunks([chunk], { keepText: false })
    expectTypeOf<Given<typeof bare>['items'][number]>().not.toHaveProperty('text')
    const streamed = () => m3.embedStream([chunk]).next()
    type Streamed = Extract<Given<typeof streamed>, { done?: false }>['value']
    expectTypeOf<Streamed['references']>().toEqualTypeOf<string[]>()
    const strings = () => m3.embedChunks(['x'])
    expectTypeOf<Given<typeof strings>['items'][number]['text']>().toEqualTypeOf<string>()
  })

  it('has the same outputs as plain arrays', () => {
    const one = async () => (await m3.embed('x', { outputs: ['dense', 'sparse'] })).toArrays()
    type Arrays = Awaited<ReturnType<typeof one>>
    expectTypeOf<Arrays['dense']>().toEqualTypeOf<number[]>()
    expectTypeOf<Arrays['sparse']['indices']>().toEqualTypeOf<number[]>()
    expectTypeOf<Arrays>().not.toHaveProperty('colbert')
  })

  it('is none for an option that there is not', () => {
    // @ts-expect-error a typo
    const typo = () => m3.embed('x', { output: 'all' })
    // @ts-expect-error no output
    const wrong = () => m3.embed('x', { outputs: ['dence'] })
    // @ts-expect-error no precision
    const format = () => m3.embed('x', { precision: 'int4' })
    expectTypeOf([typo, wrong, format]).toBeArray()
  })
})

describe('re-ranking', () => {
  it('has a relevance where a re-ranker did it', () => {
    const own = () => m3.rerank('q', ['d'] as const, { by: 'colbert', topN: 1 })
    expectTypeOf<Given<typeof own>>().toEqualTypeOf<RankedDocument[]>()
    expectTypeOf<RankedDocument>().not.toHaveProperty('relevance')
    const crossed = () => reranker.rerank('q', ['d'], { truncate: 'document', topN: undefined })
    expectTypeOf<Given<typeof crossed>>().toEqualTypeOf<RerankResult[]>()
    expectTypeOf<RerankResult['relevance']>().toEqualTypeOf<number>()
  })

  it('needs a model, and takes no option without a meaning', () => {
    expectTypeOf<RerankerOptions>().toHaveProperty('model').exclude<string | URL>().toBeNever()
    expectTypeOf<RerankerOptions>().not.toHaveProperty('heads')
    expectTypeOf<RerankerOptions>().not.toHaveProperty('cache')
    expectTypeOf<Reranker['info']>().not.toHaveProperty('dimensions')
  })
})
