/** Limits: places, turns, memory, items, tokens, time. */
import http from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HttpError } from '../../../lib/apps/server/core/errors.js'
import { Gate } from '../../../lib/apps/server/core/limits.js'
import { Embedder } from '../../../lib/embedder/embedder.js'
import { tinyPath } from '../../helpers/standins.js'
import { until } from '../../helpers/until.js'
import { useServers, withOverrides } from './helper.js'

const never = new AbortController().signal
const tick = () => new Promise((resolve) => setImmediate(resolve))

describe('Gate', () => {
  it('has so many places, and 429 with a time beyond them', () => {
    const gate = new Gate({ concurrency: 2, queue: 1, bytes: 1000 })
    const free = [gate.admit(), gate.admit(), gate.admit()]
    const refused = (() => {
      try {
        gate.admit()
      } catch (error) {
        return error
      }
    })()
    expect(refused).toBeInstanceOf(HttpError)
    expect(refused).toMatchObject({ status: 429, retryAfter: 1 })
    free[0]?.()
    free[0]?.()
    gate.admit()
    expect(() => gate.admit()).toThrow(HttpError)
  })

  it('gives turns first come, first served, a large one not passed by small ones', async () => {
    const gate = new Gate({ concurrency: 2, queue: 9, bytes: 100 })
    const order: string[] = []
    const enter = async (name: string, bytes: number) => {
      const turn = await gate.turn(bytes, never)
      order.push(name)
      return turn
    }
    const a = await enter('a', 50)
    const large = enter('large', 80)
    const small = enter('small', 10)
    await tick()
    expect(order).toEqual(['a'])
    a.leave()
    await tick()
    expect(order).toEqual(['a']) // its answer is still there
    a.end()
    a.end()
    await tick()
    expect(order).toEqual(['a', 'large', 'small'])
    for (const turn of [await large, await small]) turn.end()
    expect(gate.readings).toMatchObject({ running: 0, answerBytes: 0 })
  })

  it('lets those behind go on when one that waits leaves', async () => {
    const gate = new Gate({ concurrency: 5, queue: 9, bytes: 100 })
    const a = await gate.turn(50, never)
    const controller = new AbortController()
    const large = gate.turn(80, controller.signal)
    const small = gate.turn(10, never)
    controller.abort(new Error('left'))
    await expect(large).rejects.toThrow('left')
    ;(await small).end()
    a.end()
    expect(gate.readings).toMatchObject({ running: 0, answerBytes: 0 })
    await expect(gate.turn(1, controller.signal)).rejects.toThrow('left')
  })

  it('refuses an answer that never fits', async () => {
    const gate = new Gate({ concurrency: 1, queue: 1, bytes: 100 })
    await expect(gate.turn(101, never)).rejects.toMatchObject({ status: 413 })
  })
})

let embedder: Embedder
const serve = useServers()
beforeAll(async () => {
  embedder = await Embedder.load({ model: await tinyPath() })
})
afterAll(() => embedder.dispose())

/** Embeds when it is let, after the first call, which is the references'. */
function held() {
  let release = () => {}
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  let calls = 0
  let most = 0
  let now = 0
  const served = withOverrides(embedder, {
    embed: (async (texts: string[], options: { signal?: AbortSignal }) => {
      if (calls++ === 0) return embedder.embed(texts, options)
      most = Math.max(most, ++now)
      await Promise.race([
        gate,
        new Promise((resolve) => options.signal?.addEventListener('abort', resolve)),
      ])
      now--
      options.signal?.throwIfAborted()
      return embedder.embed(texts, options)
    }) as typeof embedder.embed,
  })
  return { embedder: served, release: () => release(), most: () => most, calls: () => calls - 1 }
}

describe('a server', () => {
  it('lets so many work, so many wait, and refuses the others at once', async () => {
    const { embedder: slow, release, most } = held()
    const served = await serve({ embedder: slow, concurrency: 3, queue: 4 })
    const calls = Array.from({ length: 20 }, (_, i) => served.post('/embed', { inputs: `${i}` }))
    await until(() => served.server.context.metrics.totals.refused === 13)
    const stats = (await served.get('/stats')).json
    expect(stats.queue).toMatchObject({ running: 3, waiting: 4 })
    release()
    const answers = await Promise.all(calls)
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(7)
    const refused = answers.filter(({ status }) => status === 429)
    expect(refused).toHaveLength(13)
    for (const { headers, json } of refused) {
      expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
      expect(json.error_type).toBe('Overloaded')
    }
    expect(most()).toBe(3)
    expect(served.server.context.gate.readings.places).toBe(0)
  })

  it('holds bodies up to its memory until their requests have ended', async () => {
    const { embedder: slow, release } = held()
    const served = await serve({ embedder: slow, requestMemory: 1_000_000, bodyLimit: 600_000 })
    const inputs = `${'a '.repeat(250_000)}`
    const first = served.post('/embed', { inputs, truncate: true })
    const second = served.post('/embed', { inputs: 'x' })
    await until(() => served.server.context.gate.readings.running === 2)
    const third = await served.post('/embed', { inputs, truncate: true })
    expect(third.status).toBe(429)
    expect(served.server.context.bodies.bytes).toBeGreaterThan(500_000)
    release()
    expect((await first).status).toBe(200)
    expect((await second).status).toBe(200)
    await until(() => served.server.context.bodies.bytes === 0)
  })

  it('limits items and tokens of a request', async () => {
    const served = await serve({ embedder, maxItems: 3, maxRequestTokens: 100 })
    const many = await served.post('/v1/embed_all', { inputs: ['a', 'b', 'c', 'd'] })
    expect({ status: many.status, code: many.json.error.code }).toEqual({
      status: 400,
      code: 'too_many_items',
    })
    expect(
      (await served.post('/similarity', { query: 'a', passages: ['b', 'c', 'd'] })).status,
    ).toBe(400)
    const long = await served.post('/v1/embeddings', {
      input: ['word '.repeat(60), 'word '.repeat(60)],
    })
    expect(long.json.error).toMatchObject({ code: 'too_many_tokens', param: 'input' })
    expect((await served.post('/v1/embeddings', { input: 'word '.repeat(90) })).status).toBe(200)
    const ids = await served.post('/v1/embeddings', { input: new Array(101).fill(5) })
    expect(ids.json.error).toMatchObject({ code: 'too_many_tokens' })
  })

  it('refuses an answer that is larger than its memory, and streams it instead', async () => {
    const served = await serve({ embedder, requestMemory: 2_000_000 })
    const inputs = Array.from({ length: 10 }, (_, i) => `${i} ${'word '.repeat(800)}`)
    const body = { inputs, outputs: { colbert: true } }
    const whole = await served.post('/v1/embed_all', body)
    expect(whole.status).toBe(413)
    expect(whole.json.error).toMatchObject({ code: 'answer_too_large' })
    const streamed = await served.post('/v1/embed_all', body, { accept: 'application/x-ndjson' })
    const lines = streamed.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines.map(({ index, error }) => [index, error])).toEqual(
      inputs.map((_, i) => [i, undefined]),
    )
  })

  it('ends a request that takes too long', async () => {
    const { embedder: slow } = held()
    const served = await serve({ embedder: slow, requestTimeout: 100, concurrency: 1 })
    const [first, second] = await Promise.all([
      served.post('/v1/embeddings', { input: 'x' }),
      served.post('/embed', { inputs: 'y' }), // waits for its turn
    ])
    expect(first).toMatchObject({ status: 504, json: { error: { code: 'timeout' } } })
    expect(second).toMatchObject({ status: 504, json: { error_type: 'Backend' } })
    expect(served.server.context.gate.readings).toMatchObject({ places: 0, running: 0 })
  })

  it('does not wait for a client that takes nothing of its answer', async () => {
    const served = await serve({ embedder, requestTimeout: 6000 })
    // some 20 MB, more than sockets hold, that are computed once: or a complete 503 would come
    const inputs = Array(60).fill('word '.repeat(450))
    for (const accept of ['application/json', 'application/x-ndjson']) {
      const body = JSON.stringify({ inputs, outputs: { colbert: true } })
      const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
        const headers = { 'content-type': 'application/json', accept }
        const request = http.request(
          `${served.url}/v1/embed_all`,
          { method: 'POST', headers },
          resolve,
        )
        request.on('error', reject)
        request.end(body)
      })
      expect(response.statusCode).toBe(200)
      const ended = new Promise((resolve) => response.on('close', resolve).on('error', resolve))
      response.pause()
      await until(() => served.server.context.gate.readings.places === 0)
      response.resume()
      await ended
      expect(response.complete).toBe(false)
      expect(served.server.context.gate.readings).toMatchObject({ running: 0, answerBytes: 0 })
    }
  })

  it('says when it is loading, and that a model failed', async () => {
    let load = () => {}
    const loading = new Promise<void>((resolve) => {
      load = resolve
    })
    let loadLate = () => {}
    const loadingLate = new Promise<void>((resolve) => {
      loadLate = resolve
    })
    const { createServer } = await import('../../../lib/exports/server.js')
    const slow = withOverrides(embedder, { warmup: () => loading })
    const server = await createServer(
      { embedder: slow, port: 0, page: false, logLevel: 'silent' },
      {},
    )
    const starting = server.start()
    await until(() => server.app.server.listening)
    const { port } = server.app.server.address() as { port: number }
    const call = async (path: string, init = {}) => fetch(`http://127.0.0.1:${port}${path}`, init)
    expect((await call('/health')).status).toBe(200)
    expect((await call('/ready')).status).toBe(503)
    expect(await (await call('/stats')).json()).toMatchObject({ state: 'loading', totals: {} })
    expect((await call('/metrics')).status).toBe(200)
    const early = await call('/embed', {
      method: 'POST',
      body: '{}',
      headers: { 'content-type': 'application/json' },
    })
    expect(early.status).toBe(503)
    expect(early.headers.get('retry-after')).toBe('2')
    expect(await early.json()).toEqual({
      error: 'The model is still loading.',
      error_type: 'Unhealthy',
    })
    load()
    await starting
    expect((await call('/ready')).status).toBe(200)
    await server.close()
    const dying = await createServer(
      {
        embedder: withOverrides(embedder, { warmup: () => loadingLate }),
        port: 0,
        page: false,
        logLevel: 'silent',
      },
      {},
    )
    const dead = expect(dying.start()).rejects.toThrow('closed while it started')
    await until(() => dying.app.server.listening)
    const closing = dying.close()
    loadLate()
    await dead
    await closing
    const failing = withOverrides(embedder, { warmup: () => Promise.reject(new Error('no')) })
    const failed = await createServer(
      { embedder: failing, port: 0, page: false, logLevel: 'silent' },
      {},
    )
    await expect(failed.start()).rejects.toThrow('no')
    expect(failed.context.state).toBe('failed')
    expect(() => failed.context.embedder).toThrow('could not be loaded')
  })
})
