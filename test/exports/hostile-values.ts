/**
 * Every public function, called with what it does not expect: good arguments in which one place, at random,
 * holds anything at all. It gives a result or an `EmbedderError`, and nothing else.
 */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as immediate } from 'node:timers/promises'
import { MessageChannel } from 'node:worker_threads'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import * as aiSdk from '../../lib/exports/ai-sdk.js'
import * as cache from '../../lib/exports/cache.js'
import * as chroma from '../../lib/exports/chroma.js'
import * as langchain from '../../lib/exports/langchain.js'
import * as llamaindex from '../../lib/exports/llamaindex.js'
import * as model from '../../lib/exports/model.js'
import * as postgres from '../../lib/exports/postgres.js'
import * as qdrant from '../../lib/exports/qdrant.js'
import * as quality from '../../lib/exports/quality.js'
import * as queue from '../../lib/exports/queue.js'
import * as report from '../../lib/exports/report.js'
import * as search from '../../lib/exports/search.js'
import * as server from '../../lib/exports/server.js'
import * as worker from '../../lib/exports/worker.js'
import * as index from '../../lib/index.js'
import { Embedder, EmbedderError, Reranker, Tokenizer } from '../../lib/index.js'
import { standinPath, tinyPath } from '../helpers/standins.js'

type Call = (...given: never[]) => unknown
/** A function, and arguments that are right. */
type Target = readonly [call: Call, ...args: unknown[]]

const entries = {
  index,
  'ai-sdk': aiSdk,
  cache,
  chroma,
  langchain,
  llamaindex,
  model,
  postgres,
  qdrant,
  quality,
  queue,
  report,
  search,
  server,
  worker,
}

/** Classes by their methods; and what is no business of this test. */
const NOT_CALLED = new Set([
  // reached by a function that makes one, or tested as methods below
  'Embedder',
  'Reranker',
  'Tokenizer',
  'PostgresStore',
  'QdrantStore',
  'BgeM3Embeddings',
  'BgeM3EmbeddingFunction',
  'BgeM3SparseEmbeddingFunction',
])

interface Subjects {
  m3: Embedder
  reranker: Reranker
  ranker: string
  folder: string
  file: string
  opened: search.SearchIndex
  kept: cache.EmbeddingCache
  far: worker.ConnectedEmbedder
}

function targetsOf({
  m3,
  reranker,
  ranker,
  folder,
  file,
  opened,
  kept,
  far,
}: Subjects): Record<string, Target> {
  const a = Float32Array.of(0.6, 0.8)
  const b = Float32Array.of(0.8, 0.6)
  const sparse = { indices: Uint32Array.of(1, 2), values: Float32Array.of(0.5, 0.5) }
  const colbert = { data: Float32Array.of(0.6, 0.8), rows: 1, cols: 2 }
  const all = { dense: a, sparse, colbert }
  const bytes = Uint8Array.of(1, 2)
  const grades = new Map([['x', 1]])
  const set = [a, b]
  const fn = (call: (...given: never[]) => unknown, ...args: unknown[]): Target => [call, ...args]
  const signal = new AbortController().signal
  const options = {
    outputs: { dense: true },
    normalize: true,
    truncate: 'end',
    maxTokens: 9,
    dimensions: 8,
    precision: 'float32',
    priority: 'bulk',
    cache: false,
    timeout: '60s',
    onError: 'throw',
    onProgress: () => {},
    signal,
  }
  const adapter = {
    truncate: 'end',
    maxTokens: 9,
    dimensions: 8,
    priority: 'bulk',
    timeout: 60_000,
  }
  const all1 = async (stream: AsyncIterable<unknown>) => {
    let seen = 0
    // a source may have no end
    for await (const _ of stream) if (++seen > 20) break
  }
  const aStore = { stored: async () => new Map(), remove: async () => {} }
  const nowhere = { redis: 'redis://127.0.0.1:1', queue: 'q', prefix: 'p' }
  const item = { id: 'x', embedding: { dense: a, tokenCount: 3 }, metadata: { k: 1 } }
  return {
    'index.load': fn(async (given: index.LoadOptions) => (await Embedder.load(given)).dispose(), {
      model: file,
      threads: 1,
      memoryLimit: '1GB',
      cache: 0,
      retry: 0,
      preset: 'balanced',
      verify: 'never',
      lazy: true,
      logger: { warn: () => {} },
      fallback: async () => [],
      signal,
    }),
    'index.rerank': fn((...given: [never, never, never]) => m3.rerank(...given), 'q', ['a', 'b'], {
      by: 'hybrid',
      weights: [1, 0, 0],
      topN: 1,
      maxTokens: 9,
      truncate: 'end',
      signal,
      onProgress: () => {},
    }),
    'index.Tokenizer load': fn(
      async (given: index.TokenizerOptions) => (await Tokenizer.load(given)).dispose(),
      { model: file, signal },
    ),
    'index.Reranker load': fn(
      async (given: index.RerankerOptions) => (await Reranker.load(given)).dispose(),
      {
        model: ranker,
        threads: 1,
        memoryLimit: '1GB',
        retry: 0,
        verify: 'never',
        lazy: true,
        signal,
      },
    ),
    'index.Reranker rerank': fn(
      (...given: [never, never, never]) => reranker.rerank(...given),
      'q',
      ['a', 'b'],
      { topN: 1, maxTokens: 9, truncate: 'longest', signal, onProgress: () => {} },
    ),
    'index.embed': fn((...given: [never, never]) => m3.embed(...given), ['a', 'b'], options),
    'index.embed one': fn((...given: [never, never]) => m3.embed(...given), 'a', options),
    'index.embedTokens': fn(
      (...given: [never, never]) => m3.embedTokens(...given),
      [[5, 6]],
      options,
    ),
    'index.tokenStates': fn((...given: [never, never]) => m3.tokenStates(...given), ['a', 'b'], {
      truncate: 'end',
      maxTokens: 9,
      signal,
      timeout: 9999,
    }),
    'index.embedStream': fn(
      (...given: [never, never]) => all1(m3.embedStream(...given)),
      [{ id: 'a', text: 'a', metadata: {} }, 'b'],
      { ...options, maxInFlight: 2 },
    ),
    'index.embedChunks': fn(
      (...given: [never, never]) => m3.embedChunks(...given),
      [{ id: 'a', text: 'a', metadata: {} }, 'b'],
      options,
    ),
    'index.embedDocuments': fn(
      (...given: [never, never]) => m3.embedDocuments(...given),
      { a: ['a'], b: [{ id: 'x', text: 'b' }] },
      options,
    ),
    'index.estimate': fn((...given: [never, never]) => m3.estimate(...given), ['a'], options),
    'index.tokenize': fn((...given: [never, never]) => m3.tokenize(...given), 'a', {
      maxTokens: 5,
      truncate: 'end',
    }),
    'index.countTokens': fn((given: never) => m3.countTokens(given), ['a']),
    'index.pieces': fn((given: never) => m3.pieces(given), [5, 6]),
    'index.decode': fn((...given: [never, never]) => m3.decode(...given), [5, 6], {
      specialTokens: true,
    }),
    'index.lexicalWeights': fn((given: never) => m3.lexicalWeights(given), {
      sparse: { indices: [5, 6], values: [0.5, 0.25] },
    }),
    'index.swapModel': fn((given: never) => m3.swapModel(given), { model: file }),
    'index.cache describe': fn(
      (...given: [never, never, never]) => m3.cache?.describe(...given),
      'f',
      't',
      5,
    ),
    'index.cache invalidate': fn((given: never) => m3.cache?.invalidate(given), 'f'),
    'index.cache invalidateOthers': fn((given: never) => m3.cache?.invalidateOthers(given), 'f'),
    'index.cache warmup': fn((given: never) => m3.cache?.warmup(given), 'f'),
    'index.chunkText': fn(index.chunkText, 'a text. And more.', {
      tokenizer: m3,
      maxTokens: 8,
      overlap: 2,
      language: 'en',
      signal,
    }),
    'index.chunkDocument': fn(index.chunkDocument, 'd', 'a text', { tokenizer: m3, maxTokens: 8 }),
    'index.fromFloat16': fn(index.fromFloat16, Uint16Array.of(1, 2)),
    'index.fromInt8': fn(index.fromInt8, Int8Array.of(1, 2), 0.5),
    'index.fromBinary': fn(index.fromBinary, bytes),
    'index.calibrate': fn(index.calibrate, [Float32Array.of(1, 2)]),
    'index.hamming': fn(index.hamming, bytes, bytes),
    'index.colbertScore': fn(index.colbertScore, colbert, colbert),
    'index.maxSimilarities': fn(index.maxSimilarities, colbert, colbert),
    'index.cosine': fn(index.cosine, a, b),
    'index.dot': fn(index.dot, a, b),
    'index.euclidean': fn(index.euclidean, a, b),
    'index.manhattan': fn(index.manhattan, a, b),
    'index.norm': fn(index.norm, a),
    'index.normalize': fn(index.normalize, a),
    'index.combineScores': fn(index.combineScores, { dense: 1, sparse: 1, colbert: 1 }, [1, 1, 1]),
    'index.computeScore': fn(index.computeScore, all, all, { weights: [1, 1, 1] }),
    'index.computeScore pairs': fn(index.computeScore, [[all, all]], { weights: [1, 1, 1] }),
    'index.hybridScore': fn(index.hybridScore, all, all, [1, 1, 1]),
    'index.kMeans': fn(index.kMeans, set, 1, {
      metric: 'cosine',
      seed: 1,
      maxIterations: 2,
      restarts: 1,
    }),
    'index.similarities': fn(index.similarities, a, set, { metric: 'dot' }),
    'index.similarityMatrix': fn(index.similarityMatrix, set, set, { metric: 'dot' }),
    'index.toMatrix': fn(index.toMatrix, set),
    'index.lexicalMatrix': fn(index.lexicalMatrix, [sparse], [sparse]),
    'index.lexicalScore': fn(index.lexicalScore, sparse, sparse),
    'index.sparseFromWeights': fn(index.sparseFromWeights, { 1: 0.5 }),
    'index.topK': fn(index.topK, a, set, 1, { metric: 'dot' }),
    'index.topKScores': fn(index.topKScores, [1, 2], 1, { lowest: true }),
    'ai-sdk.embeddingModel': fn(
      (embedder: never, given: never, call: never) =>
        aiSdk.embeddingModel(embedder, given).doEmbed(call),
      m3,
      { ...adapter, side: 'query' },
      { values: ['a'], dimensions: 8 },
    ),
    'ai-sdk.rerankingModel': fn(
      (ranker: never, given: never, call: never) =>
        aiSdk.rerankingModel(ranker, given).doRerank(call),
      m3,
      { topN: 1 },
      { query: 'a', documents: { type: 'text', values: ['a'] } },
    ),
    'cache.openCache': fn(async (given: never) => (await cache.openCache(given)).close(), {
      cache: 1000,
      diskCache: false,
      diskCacheSize: '1MB',
      cacheTtl: '1h',
      cacheDir: folder,
    }),
    'cache.EmbeddingCache set': fn(
      (...given: [never, never, never, never]) => kept.set(...given),
      'm',
      { hash: '0'.repeat(64) },
      { ...all, tokenCount: 2, truncated: false },
      { metadata: { x: [1] } },
    ),
    'cache.EmbeddingCache get': fn(
      (...given: [never, never, never]) => kept.get(...given),
      'm',
      'a',
      {
        outputs: { dense: true },
      },
    ),
    'cache.EmbeddingCache delete': fn(
      (...given: [never, never]) => kept.delete(...given),
      'm',
      'a',
    ),
    'worker.connectEmbedder': fn(
      async (port: never, given: never) => (await worker.connectEmbedder(port, given)).close(),
      () => {
        throw new EmbedderError('WORKER', 'none')
      },
      { retry: 0, startTimeout: 1, onProgress: () => {}, logger: {} },
    ),
    'worker.serveEmbedder': fn(
      async (port: never, given: never) => {
        await Promise.race([worker.serveEmbedder(port, given), immediate()])
      },
      new MessageChannel().port1,
      { model: file, lazy: true, embedder: m3 },
    ),
    'worker.ConnectedEmbedder embed': fn(
      (...given: [never, never]) => far.embed(...given),
      ['a'],
      options,
    ),
    'worker.ConnectedEmbedder rerank': fn(
      (...given: [never, never, never]) => far.rerank(...given),
      'a',
      ['a'],
      { topN: 1, signal },
    ),
    'worker.ConnectedEmbedder embedDocuments': fn(
      (...given: [never, never]) => far.embedDocuments(...given),
      { x: ['a'] },
      { chunk: { maxTokens: 50 }, signal, timeout: '60s' },
    ),
    'worker.ConnectedEmbedder embedStream': fn(
      (...given: [never, never]) => all1(far.embedStream(...given)),
      ['a', { id: 'x', text: 'b' }],
      { ...options, maxInFlight: 2 },
    ),
    'worker.ConnectedEmbedder tokens': fn(
      async (...given: [never, never, never]) => {
        await far.tokenize(given[0], given[1])
        await far.lexicalWeights(given[2])
      },
      'a',
      { pieces: true },
      { sparse },
    ),
    'langchain.BgeM3DocumentCompressor': fn(
      (ranker: never, given: never, documents: never, query: never) =>
        new langchain.BgeM3DocumentCompressor(ranker, given).compressDocuments(documents, query),
      m3,
      { topN: 1 },
      [{ pageContent: 'a', metadata: {} }],
      'a',
    ),
    'llamaindex.llamaIndexPostprocessor': fn(
      (ranker: never, given: never, query: never) =>
        llamaindex.llamaIndexPostprocessor(ranker, given).postprocessNodes([], query),
      m3,
      { topN: 1 },
      'a',
    ),
    'langchain.BgeM3Embeddings': fn(
      (embedder: never, given: never, texts: never) =>
        new langchain.BgeM3Embeddings(embedder, given).embedDocuments(texts),
      m3,
      adapter,
      ['a'],
    ),
    'llamaindex.llamaIndexEmbedding': fn(
      async (embedder: never, given: never, texts: never) =>
        (await llamaindex.llamaIndexEmbedding(embedder, given)).getTextEmbeddings(texts),
      m3,
      adapter,
      ['a'],
    ),
    'chroma.BgeM3EmbeddingFunction': fn(
      (given: never, texts: never) => new chroma.BgeM3EmbeddingFunction(given).generate(texts),
      { ...adapter, embedder: m3 },
      ['a'],
    ),
    'chroma.registerWithChroma': fn(chroma.registerWithChroma, { embedder: m3 }),
    'model.cacheDir': fn(model.cacheDir, folder),
    'model.convertCheckpoint': fn(model.convertCheckpoint, folder, {
      output: join(folder, 'out.gguf'),
      type: 'f32',
      heads: false,
      name: 'x',
      signal,
    }),
    'model.loadHeads': fn(model.loadHeads, { model: file, dim: 64 }),
    'model.readHeads': fn(model.readHeads, file, 64),
    'model.pullModel': fn(model.pullModel, {
      dir: folder,
      endpoint: 'http://127.0.0.1:1',
      offline: true,
      force: false,
      patience: { retries: 0, firstRetries: 0 },
    }),
    'model.inspectModel': fn(model.inspectModel, file),
    'model.verifyModel': fn(model.verifyModel, file, { cacheDir: folder }),
    'model.findModel': fn(model.findModel, file, { cacheDir: folder, env: {} }),
    'model.ensureModel': fn(model.ensureModel, file, {
      cacheDir: folder,
      env: {},
      download: false,
    }),
    'model.createStandin': fn(model.createStandin, {
      output: join(folder, 'no', 'such', 'folder.gguf'),
      size: 'tiny',
      type: 'q8_0',
      seed: 1,
      vocabSize: 300,
    }),
    'postgres.loadTable': fn(postgres.loadTable, m3, 'postgres://127.0.0.1:1/x', {
      table: 't',
      columns: { id: 'id', text: 'text', dense: 'd' },
      batchRows: 5,
      retry: { retries: 0, delayMs: 1 },
    }),
    'postgres.PostgresStore': fn(
      async (target: never, given: never) =>
        (await postgres.PostgresStore.open(target, given)).close(),
      'postgres://127.0.0.1:1/x',
      { table: 't', columns: { id: 'id', dense: 'd' }, model: m3.info, dimensions: 8 },
    ),
    'postgres.quoteIdentifier': fn(postgres.quoteIdentifier, 'a'),
    'postgres.quoteTable': fn(postgres.quoteTable, { schema: 's', table: 't' }),
    'postgres.sparsevecLiteral': fn(postgres.sparsevecLiteral, sparse, 10, 5),
    'postgres.vectorLiteral': fn(postgres.vectorLiteral, a),
    'qdrant.QdrantStore': fn(
      async (info: never, given: never) => (await qdrant.QdrantStore.open(info, given)).close(),
      m3.info,
      { url: 'http://127.0.0.1:1', collection: 'c', outputs: { dense: true }, timeoutMs: 500 },
    ),
    'qdrant.loadQdrant': fn(qdrant.loadQdrant, m3, ['a'], {
      url: 'http://127.0.0.1:1',
      collection: 'c',
      retry: { retries: 0, delayMs: 1 },
    }),
    'qdrant.pointId': fn(qdrant.pointId, 'a'),
    'qdrant.trimDocuments': fn(qdrant.trimDocuments, aStore, [{ document: 'a', parts: 0 }]),
    'qdrant.hybridQuery': fn(qdrant.hybridQuery, all, { limit: 3, candidates: 5, rrfK: 2 }),
    'quality.meanInterval': fn(quality.meanInterval, [1, 2], {
      samples: 5,
      seed: 1,
      confidence: 0.9,
    }),
    'quality.pearsonInterval': fn(quality.pearsonInterval, [1, 2], [2, 1], { samples: 5 }),
    'quality.spearmanInterval': fn(quality.spearmanInterval, [1, 2], [2, 1], { samples: 5 }),
    'quality.clusterQuality': fn(quality.clusterQuality, set, [0, 1]),
    'quality.compareEmbeddings': fn(quality.compareEmbeddings, set, set, { k: 1, seed: 1 }),
    'quality.compareOutputs': fn(quality.compareOutputs, [all, all], [all, all], { k: 1 }),
    'quality.compareGolden': fn(quality.compareGolden, { items: [] }, []),
    'quality.encodeGolden': fn(quality.encodeGolden, { items: [] }),
    'quality.parseGolden': fn(quality.parseGolden, '{}'),
    'quality.accuracyAt': fn(quality.accuracyAt, ['x'], grades, 1),
    'quality.averagePrecisionAt': fn(quality.averagePrecisionAt, ['x'], grades, 1),
    'quality.precisionAt': fn(quality.precisionAt, ['x'], grades, 1),
    'quality.ndcgAt': fn(quality.ndcgAt, ['x'], grades, 1),
    'quality.recallAt': fn(quality.recallAt, ['x'], grades, 1),
    'quality.reciprocalRankAt': fn(quality.reciprocalRankAt, ['x'], grades, 1),
    'quality.createReference': fn(quality.createReference, [a, b, a, b], { seed: 1 }),
    'quality.qualityReport': fn(quality.qualityReport, set, { maxRows: 10, ids: ['x', 'y'] }),
    'quality.distribution': fn(quality.distribution, [1, 2], [0, 3]),
    'quality.pearson': fn(quality.pearson, [1, 2], [2, 1]),
    'quality.quantile': fn(quality.quantile, [1, 2], 0.5),
    'quality.spearman': fn(quality.spearman, [1, 2], [2, 1]),
    'quality.scorePair': fn(quality.scorePair, all, all, [1, 1, 1]),
    'quality.stsMetrics': fn(quality.stsMetrics, [{ dense: 1 }, { dense: 2 }], [1, 2], {
      samples: 5,
    }),
    'quality.vectorQuality': fn(quality.vectorQuality, a, { expectedDim: 2, normalized: true }),
    'quality.verifyRows': fn(quality.verifyRows, set, ['a', 'b'], async () => set, { sample: 2 }),
    'queue.enqueue': fn(queue.enqueue, m3, ['a'], { ...nowhere, jobTokens: 64 }),
    'queue.clearQueue': fn(queue.clearQueue, nowhere),
    'queue.trimDocuments': fn(queue.trimDocuments, aStore, [{ document: 'a', parts: 0 }]),
    'queue.isDone': fn(queue.isDone, {
      corpora: 1,
      producing: false,
      items: { left: 0 },
      jobs: { active: 0 },
    }),
    'queue.queueFailures': fn((given: never) => all1(queue.queueFailures(given)), nowhere),
    'queue.queueStatus': fn(queue.queueStatus, nowhere),
    'queue.retryFailed': fn(queue.retryFailed, nowhere),
    'queue.watchQueue': fn((given: never) => all1(queue.watchQueue(given)), nowhere),
    'queue.runWorker': fn(queue.runWorker, m3, {
      ...nowhere,
      store: { prepare() {}, write() {}, stored() {}, close() {} },
      outputs: { dense: true },
    }),
    'report.liveProgress': fn(report.liveProgress, { label: 'x', interval: 5, show: () => {} }),
    'report.mimeBundle': fn(report.mimeBundle, new Map()),
    'report.display': fn(report.display, new Map()),
    'report.show': fn(report.show, new Map()),
    'report.createReport': fn(report.createReport, {
      vectors: report.tableOf([item, { ...item, id: 'y' }] as never),
      map: 'none',
      title: 'x',
      name: 'y',
      seed: 1,
    }),
    'report.readEvaluation': fn(report.readEvaluation, join(folder, 'none.json')),
    'report.readRun': fn(report.readRun, join(folder, 'none.json')),
    'report.readVectors': fn(report.readVectors, join(folder, 'none.npy'), signal),
    'report.tableOf': fn(report.tableOf, [item], new Map([['x', 'a text']])),
    'report.joinTexts': fn(
      report.joinTexts,
      report.tableOf([item] as never),
      join(folder, 'none.txt'),
      signal,
    ),
    'quality.RetrievalEvaluation': fn(
      (...given: [never, never, never]) => {
        const [queries, documents, settings] = given
        const evaluation = new quality.RetrievalEvaluation(queries, settings)
        evaluation.addDocuments(documents)
        for (const number of evaluation.candidates()) evaluation.addMultiVector(number, colbert)
        return evaluation.report()
      },
      [{ dense: a, sparse, colbert, grades: new Map([[1, 1]]), exclude: 2 }],
      [{ number: 1, dense: b, sparse }],
      { rerank: 5, weights: [1, 1, 1], samples: 5, seed: 1 },
    ),
    'quality.QrelsReader': fn(
      (...given: [never, never]) => {
        const reader = new quality.QrelsReader()
        reader.line(...given)
        return reader.finish()
      },
      'q 0 d 1',
      1,
    ),
    'search.SearchIndex update': fn((...given: [never, never]) => opened.update(...given), folder, {
      include: ['*.x'],
      exclude: ['*.y'],
      hidden: false,
      gitignore: true,
      followSymlinks: false,
      maxFileSize: 10,
      signal,
      onProgress: () => {},
    }),
    'search.SearchIndex search': fn((...given: [never, never]) => opened.search(...given), 'a', {
      limit: 2,
      mode: 'dense',
      fusion: 'rrf',
      weights: [1, 1, 1],
      rerank: 2,
      signal,
    }),
    'search.SearchIndex read': fn((...given: [never, never]) => opened.read(...given), 'a#0', {
      before: 1,
      after: 1,
    }),
    'search.SearchIndex forget': fn((given: never) => opened.forget(given), folder),
    'search.openIndex': fn(
      async (store: never, given: never) => (await search.openIndex(store, given)).close(),
      join(folder, 'index'),
      { embedder: m3, chunking: { maxTokens: 50, overlap: 5, language: 'en' }, create: true },
    ),
    'server.createServer': fn(
      async (given: never) => (await server.createServer(given, {})).close(),
      { embedder: m3, port: 0, logLevel: 'silent', maxItems: 5, cors: ['*'] },
    ),
  }
}

/** Paths that are texts might be made: they come from nowhere but the arguments above. */
const WRITES =
  /^model\.(createStandin|convertCheckpoint|pullModel|verifyModel|findModel)|^search|^report.join/

export function hostileValuesAreRefused(runs: number): void {
  let folder: string
  let m3: Embedder
  let reranker: Reranker
  let targets: Record<string, Target>
  let opened: search.SearchIndex
  let kept: cache.EmbeddingCache
  let far: worker.ConnectedEmbedder
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bge-m3-hostile-'))
    const file = await tinyPath()
    m3 = await Embedder.load({ model: file })
    const ranker = await standinPath({ size: 'tiny', arch: 'bge-reranker', vocabSize: 8000 })
    reranker = await Reranker.load({ model: ranker })
    const papers = join(folder, 'papers')
    await mkdir(papers)
    await writeFile(join(papers, 'a.txt'), 'A text.')
    opened = await search.openIndex(join(folder, 'opened'), { embedder: m3 })
    await opened.update(papers)
    kept = await cache.openCache()
    const { port1, port2 } = new MessageChannel()
    void worker.serveEmbedder(port2, { embedder: m3 })
    far = await worker.connectEmbedder(port1)
    targets = targetsOf({ m3, reranker, ranker, folder: papers, file, opened, kept, far })
  })
  afterAll(async () => {
    await opened.close()
    await kept.close()
    await far.close()
    await m3.dispose()
    await reranker.dispose()
    await rm(folder, { recursive: true })
  })

  it('every function of every entry is in the list', () => {
    for (const [entry, exports] of Object.entries(entries)) {
      for (const [name, value] of Object.entries(exports)) {
        if (typeof value !== 'function' || NOT_CALLED.has(name)) continue
        if (value.prototype instanceof EmbedderError || value === EmbedderError) continue
        const isThere = Object.keys(targets).some(
          (key) => key === `${entry}.${name}` || key.startsWith(`${entry}.${name} `),
        )
        expect(isThere, `${entry}.${name}`).toBe(true)
      }
    }
  })

  const anything = fc.anything({
    withBigInt: true,
    withBoxedValues: true,
    withDate: true,
    withMap: true,
    withNullPrototype: true,
    withObjectString: true,
    withSet: true,
    withSparseArray: true,
    withTypedArray: true,
  })
  const noText = anything.filter((value) => typeof value !== 'string' && !(value instanceof String))

  it('a result or an EmbedderError', async () => {
    const wrong: string[] = []
    for (const [name, [call, ...good]] of Object.entries(targets)) {
      const values = WRITES.test(name) ? noText : anything
      const arbitrary = fc.tuple(fc.nat(), fc.nat(), values)
      await fc
        .assert(
          fc.asyncProperty(arbitrary, async ([at, member, value]) => {
            const args = changed(good, at, member, value)
            try {
              await call(...(args as never[]))
            } catch (error) {
              if (error instanceof EmbedderError) return
              throw error
            }
          }),
          { numRuns: runs, seed: 1 },
        )
        .catch((error: Error) => wrong.push(`${name}: ${placeOf(error)}`))
    }
    expect(wrong).toEqual([])
  })
}

/** What was given, what came of it, and where. */
function placeOf({ message, cause }: Error): string {
  const given = /Counterexample: (.*)/.exec(message)?.[1]
  const stack = String((cause as Error | undefined)?.stack).split('\n')
  return [given, ...stack.slice(0, 3)].map((line) => line?.trim()).join(' | ')
}

/** The arguments with one of them, or one member of it, or of that, put in place of which is `value`. */
function changed(args: readonly unknown[], at: number, member: number, value: unknown): unknown[] {
  const copy = [...args]
  const i = at % copy.length
  copy[i] = inside(copy[i], member, value)
  return copy
}

function inside(good: unknown, member: number, value: unknown): unknown {
  const isPlain = Array.isArray(good) || Object.getPrototypeOf(Object(good)) === Object.prototype
  if (!isPlain || typeof good !== 'object' || good === null) return value
  const keys = Object.keys(good)
  const pick = member % (keys.length + 1)
  const key = keys[pick]
  if (key === undefined) return value
  const copy = Array.isArray(good) ? [...good] : { ...good }
  const rest = Math.floor(member / (keys.length + 1))
  return Object.assign(copy, { [key]: inside((good as never)[key], rest, value) })
}
