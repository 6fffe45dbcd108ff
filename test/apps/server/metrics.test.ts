/** Metrics, drift, logs, and the promise that none of them holds anything a client sent. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { propagation, trace } from '@opentelemetry/api'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Drift } from '../../../lib/apps/server/core/drift.js'
import { Recent } from '../../../lib/apps/server/core/recent.js'
import { loggedId, requestId } from '../../../lib/apps/server/request-id.js'
import type { Embedding } from '../../../lib/common/types.js'
import { Embedder } from '../../../lib/embedder/embedder.js'
import { tinyPath } from '../../helpers/standins.js'
import { mixedTexts } from '../../helpers/texts.js'
import { until } from '../../helpers/until.js'
import { testServer, withOverrides } from './helper.js'

let embedder: Embedder
beforeAll(async () => {
  embedder = await Embedder.load({ model: await tinyPath() })
})
afterAll(() => embedder.dispose())

/** The value of a metric with these labels. */
function reading(text: string, name: string, labels = ''): number {
  const line = text
    .split('\n')
    .find((line) => line.startsWith(`${name}${labels && `{${labels}}`} `))
  return line ? Number(line.split(' ').at(-1)) : Number.NaN
}

describe('/metrics', () => {
  it('counts requests, items, tokens, batches, refusals and times', async () => {
    const served = await testServer({ embedder, maxItems: 10 })
    const before = embedder.stats()
    const texts = mixedTexts(5)
    const tokens = (await embedder.countTokens(texts)).reduce((sum, count) => sum + count, 0)
    await served.post('/embed', { inputs: texts })
    await served.post('/embed', { inputs: texts })
    await served.post('/v1/embeddings', { input: 5 })
    await served.get('/nowhere')
    const { text, headers } = await served.get('/metrics')
    expect(headers.get('content-type')).toMatch(/^text\/plain/)
    const counted = (labels: string) => reading(text, 'bge_m3_requests_total', labels)
    expect(counted('route="/embed",method="POST",status="200"')).toBe(2)
    expect(counted('route="/v1/embeddings",method="POST",status="400"')).toBe(1)
    expect(counted('route="unknown",method="GET",status="404"')).toBe(1)
    expect(reading(text, 'bge_m3_request_seconds_count', 'route="/embed"')).toBe(2)
    expect(reading(text, 'bge_m3_request_items_sum')).toBe(10)
    expect(reading(text, 'bge_m3_tokens_total')).toBe(2 * tokens)
    const cached = reading(text, 'bge_m3_texts_total', 'cached="true"') || 0
    const fresh = reading(text, 'bge_m3_texts_total', 'cached="false"') || 0
    expect(cached + fresh).toBe(10)
    expect(reading(text, 'bge_m3_stage_seconds_count', 'stage="compute"')).toBe(10)
    expect(reading(text, 'bge_m3_queue_wait_seconds_count')).toBe(2)
    expect(reading(text, 'bge_m3_drift_similarity_count')).toBe(10)
    expect(reading(text, 'bge_m3_ready')).toBe(1)
    expect(reading(text, 'bge_m3_queue_depth')).toBe(0)
    expect(reading(text, 'bge_m3_engine_batches_total')).toBeGreaterThan(before.batches)
    expect(reading(text, 'bge_m3_engine_texts_total')).toBe(embedder.stats().texts)
    expect(reading(text, 'bge_m3_memory_resident_bytes')).toBeGreaterThan(1e7)
    expect(reading(text, 'bge_m3_error_rate')).toBeGreaterThan(0)
    expect(reading(text, 'bge_m3_drift_reference_cosine')).toBe(1)
    expect(reading(text, 'process_cpu_seconds_total')).toBeGreaterThan(0)
    // read anew, not added up
    const again = (await served.get('/metrics')).text
    expect(reading(again, 'bge_m3_engine_texts_total')).toBe(embedder.stats().texts)
    await served.close()
  })

  it('counts who hung up', async () => {
    const isStuck = { yes: false }
    const served = await testServer({
      embedder: withOverrides(embedder, {
        embed: ((texts: string[], options: { signal?: AbortSignal }) =>
          isStuck.yes
            ? new Promise((_resolve, reject) => {
                options.signal?.addEventListener('abort', () => reject(options.signal?.reason))
              })
            : embedder.embed(texts, options)) as typeof embedder.embed,
      }),
    })
    isStuck.yes = true
    const controller = new AbortController()
    const call = served.call('POST', '/embed', {
      body: '{"inputs": "x"}',
      signal: controller.signal,
    })
    call.catch(() => {})
    await until(() => served.server.context.gate.readings.running === 1)
    controller.abort()
    await until(() => served.server.context.metrics.totals.cancelled === 1)
    const { text } = await served.get('/metrics')
    expect(
      reading(text, 'bge_m3_requests_total', 'route="/embed",method="POST",status="499"'),
    ).toBe(1)
    expect(reading(text, 'bge_m3_error_rate')).toBe(0)
    await served.close()
  })
})

describe('Drift', () => {
  it('stays where it is for a model that stays as it is', async () => {
    const drift = new Drift(undefined)
    await drift.begin(embedder)
    await drift.check(embedder)
    expect(drift.readings.checks).toBe(0) // nothing was answered since
    const { dense } = await embedder.embed('The train leaves at half past seven.')
    expect(drift.sample(dense as Float32Array)).toBeGreaterThan(0)
    await drift.check(embedder)
    expect(drift.readings).toMatchObject({
      checks: 1,
      normRatio: 1,
      referenceCosine: expect.closeTo(1, 6),
    })
    await drift.check(embedder)
    expect(drift.readings.checks).toBe(1)
  })

  it('sees a model whose vectors turn or grow', async () => {
    const drift = new Drift(undefined)
    await drift.begin(embedder)
    const changed = withOverrides(embedder, {
      embed: (async (texts: string[], options: object) => {
        const results = (await embedder.embed(texts, options)) as Embedding[]
        for (const { dense } of results) {
          dense?.set(dense.map((value, i) => (i < 4 ? -2 * value : 2 * value)))
        }
        return results
      }) as typeof embedder.embed,
    })
    drift.sample(new Float32Array(64).fill(1 / 8))
    await drift.check(changed)
    expect(drift.readings.normRatio).toBeCloseTo(2, 5)
    expect(drift.readings.referenceCosine).toBeLessThan(0.999)
  })

  it('sees traffic become another', async () => {
    const drift = new Drift(undefined)
    await drift.begin(embedder)
    const near = (await embedder.embed('How do I reset the password of my account?'))
      .dense as Float32Array
    for (let i = 0; i < 200; i++) expect(drift.sample(near)).toBeCloseTo(1, 5)
    expect(drift.readings.baseline).toBeCloseTo(1, 5)
    const far = near.map((value) => -value)
    for (let i = 0; i < 300; i++) drift.sample(far)
    expect(drift.readings.baseline).toBeCloseTo(1, 5)
    expect(drift.readings.recent).toBeLessThan(0.9)
    expect(drift.sample(new Float32Array(8))).toBeUndefined()
  })

  it("reads an operator's texts", async () => {
    const dir = await mkdtemp(join(tmpdir(), 'bge-m3-drift-'))
    const file = join(dir, 'reference.txt')
    await writeFile(file, 'one text\r\n\nanother\n')
    const drift = new Drift(file)
    await drift.begin(embedder)
    const { dense } = await embedder.embed('another')
    expect(drift.sample(dense as Float32Array)).toBeCloseTo(1, 5)
    await writeFile(file, '\n')
    await expect(new Drift(file).begin(embedder)).rejects.toThrow('must hold 1 to 256 texts')
    await rm(dir, { recursive: true })
    await expect(new Drift(file).begin(embedder)).rejects.toThrow('cannot be read')
  })

  it('is looked at now and then', async () => {
    const served = await testServer({ embedder, driftInterval: 30 })
    await served.post('/embed', { inputs: 'x' })
    await until(() => served.server.context.drift.readings.checks > 0)
    await served.close()
  })
})

describe('Recent', () => {
  it('sums the last ten seconds, and forgets what is older', () => {
    let now = 100
    const recent = new Recent(() => now)
    const stages = { tokenizeMs: 1, queueMs: 2, computeMs: 3, totalMs: 6 }
    recent.request(10, false)
    recent.text(7, stages)
    recent.wait(4)
    now = 105.5
    recent.request(30, true)
    recent.wait(8)
    expect(recent.sums).toMatchObject({
      requests: 2,
      errors: 1,
      texts: 1,
      tokens: 7,
      waits: 2,
      waitMs: 12,
      maxWaitMs: 8,
      stages,
    })
    now = 110.5
    expect(recent.sums).toMatchObject({ requests: 1, texts: 0, maxWaitMs: 8 })
    now = 200
    expect(recent.sums).toMatchObject({ requests: 0 })
    recent.request(20, false)
    expect(recent.percentiles(0.5, 0.99)).toEqual([20, 30])
    expect(new Recent().percentiles(0.5)).toEqual([0])
  })
})

describe('request ids', () => {
  it('are taken where they are harmless, and logged only where they say nothing', () => {
    expect(requestId('abc-DEF_1.2:3')).toBe('abc-DEF_1.2:3')
    for (const bad of ['', 'a b', 'a\nb', 'x'.repeat(65), 'ü', ['a'], undefined, '"']) {
      expect(requestId(bad)).toMatch(/^[0-9a-f-]{36}$/)
    }
    expect(loggedId('0af7651916cd43dd8448eb211c80319c')).toBe('0af7651916cd43dd8448eb211c80319c')
    expect(loggedId('secret')).toMatch(/^sha256:[0-9a-f]{16}$/)
  })
})

describe('a canary', () => {
  const canary = 'CanaryKestrel77'

  it('sent everywhere appears in no log and no metric', async () => {
    const failing = { on: false }
    const served = await testServer({
      embedder: withOverrides(embedder, {
        embed: ((texts: string[], options: object) => {
          // an error that quotes what it was given
          if (failing.on) throw new RangeError(`cannot embed ${texts[0]}`)
          return embedder.embed(texts, options)
        }) as typeof embedder.embed,
      }),
      apiKey: ['key'],
      bodyLimit: 100_000,
      logLevel: 'debug',
    })
    const headers = {
      authorization: 'Bearer key',
      'x-request-id': canary,
      'user-agent': canary,
      referer: `http://${canary}/`,
      [canary]: canary,
    }
    const bodies = [
      { input: canary, model: canary, user: canary },
      { input: [canary], encoding_format: canary },
      { inputs: canary, [canary]: canary },
      { inputs: [canary, 5] },
      { inputs: `${canary} `.repeat(9000) },
      { inputs: `${canary} `.repeat(5000) },
      {
        query: canary,
        passages: [canary],
        texts: [canary],
        tokens: true,
        alignment: true,
        return_text: true,
      },
      { query: canary, passages: canary },
      { outputs: { [canary]: true }, inputs: 'x' },
    ]
    const paths = [
      '/v1/embeddings',
      '/embed',
      '/embed_sparse',
      '/rerank',
      '/tokenize',
      '/v1/embed_all',
      '/similarity',
    ]
    const statuses = new Set<number>()
    const all = async () => {
      for (const path of [...paths, `/${canary}`]) {
        for (const body of bodies) {
          for (const accept of ['application/json', 'application/x-ndjson']) {
            const { status } = await served.post(`${path}?text=${canary}`, body, {
              ...headers,
              accept,
            })
            statuses.add(status)
          }
        }
        for (const content of [`{"inputs": "${canary}`, canary, `{"__proto__": "${canary}"}`]) {
          await served.call('POST', path, { body: content, headers })
          await served.call('POST', path, {
            body: content,
            headers: { ...headers, 'content-type': `text/${canary}` },
          })
        }
        await served.get(`${path}/${canary}?${canary}=1`, headers)
        await served.get(path, { authorization: `Bearer ${canary}` })
      }
      await served.get(`/v1/models/${canary}`, headers)
      await served.get(`/%${canary}`, headers)
    }
    await all()
    failing.on = true
    await all()
    expect(statuses).toEqual(new Set([200, 400, 404, 413, 422, 424, 500]))
    const metrics = (await served.get('/metrics', headers)).text
    const stats = (await served.get('/stats', headers)).text
    await served.close()
    const log = served.log()
    expect(log.split('\n').length).toBeGreaterThan(200)
    expect(log).toContain('"kind":"RangeError"')
    for (const text of [log, metrics, stats]) {
      expect(text).not.toMatch(/canary|kestrel/i)
      // nor a part of it that a tokenizer would make
      expect(text).not.toContain('Kest')
    }
    // each line is JSON
    for (const line of log.trimEnd().split('\n')) JSON.parse(line)
  })
})

describe('traces', () => {
  it('are a span a request, in the trace of the caller', async () => {
    const exporter = new InMemorySpanExporter()
    const provider = new BasicTracerProvider({
      spanProcessors: [new SimpleSpanProcessor(exporter)],
    })
    trace.setGlobalTracerProvider(provider)
    propagation.setGlobalPropagator(new W3CTraceContextPropagator())
    const own = await Embedder.load({ model: await tinyPath() })
    const served = await testServer({ embedder: own })
    const traceId = '0af7651916cd43dd8448eb211c80319c'
    await served.post(
      '/embed',
      { inputs: ['a text', 'another'] },
      { traceparent: `00-${traceId}-b7ad6b7169203331-01` },
    )
    await served.post('/embed', { inputs: 5 })
    await served.close()
    await own.dispose()
    const [good, bad] = exporter.getFinishedSpans()
    expect(good?.name).toBe('POST /embed')
    expect(good?.spanContext().traceId).toBe(traceId)
    expect(good?.attributes).toMatchObject({
      'http.response.status_code': 200,
      'bge_m3.texts': 2,
      'bge_m3.compute_ms': expect.any(Number),
    })
    expect(good?.attributes['bge_m3.tokens']).toBeGreaterThan(4)
    expect(bad?.attributes['http.response.status_code']).toBe(422)
    expect(JSON.stringify(good?.attributes)).not.toContain('a text')
    trace.disable()
    propagation.disable()
  })
})

describe('/metrics and keys', () => {
  it('needs a key unless it is public', async () => {
    const own = await Embedder.load({ model: await tinyPath() })
    for (const publicMetrics of [false, true]) {
      const served = await testServer({ embedder: own, apiKey: ['k'], publicMetrics })
      expect((await served.get('/metrics')).status).toBe(publicMetrics ? 200 : 401)
      expect((await served.get('/stats')).status).toBe(401)
      await served.close()
    }
    await own.dispose()
  })
})
