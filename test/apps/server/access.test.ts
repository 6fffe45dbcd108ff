/** Who may read what from where; and embedders that are not as usual. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Embedding } from '../../../lib/common/types.js'
import { Embedder } from '../../../lib/embedder/embedder.js'
import { createServer } from '../../../lib/exports/server.js'
import { standinPath, tinyPath } from '../../helpers/standins.js'
import { until } from '../../helpers/until.js'
import { testServer, withOverrides } from './helper.js'

let embedder: Embedder
let model: string
beforeAll(async () => {
  model = await tinyPath()
  embedder = await Embedder.load({ model })
})
afterAll(() => embedder.dispose())

const preflight = { origin: 'https://page.example', 'access-control-request-method': 'POST' }

describe('CORS', () => {
  it('is off', async () => {
    const served = await testServer({ embedder })
    const { headers } = await served.get('/health', { origin: 'https://page.example' })
    expect(headers.get('access-control-allow-origin')).toBeNull()
    const asked = await served.call('OPTIONS', '/embed', { headers: preflight })
    expect(asked.status).toBe(405)
    expect(asked.headers.get('access-control-allow-origin')).toBeNull()
    await served.close()
  })

  it('lets those in that are named, keys or not', async () => {
    const served = await testServer({ embedder, cors: ['https://page.example'], apiKey: ['k'] })
    const asked = await served.call('OPTIONS', '/embed', { headers: preflight })
    expect(asked.status).toBe(204)
    expect(asked.headers.get('access-control-allow-origin')).toBe('https://page.example')
    expect(asked.headers.get('access-control-allow-headers')).toContain('authorization')
    const other = { ...preflight, origin: 'https://other.example' }
    const refused = await served.call('OPTIONS', '/embed', { headers: other })
    expect(refused.headers.get('access-control-allow-origin')).not.toBe('https://other.example')
    const answer = await served.post(
      '/embed',
      { inputs: 'x' },
      { origin: 'https://page.example', 'x-api-key': 'k' },
    )
    expect(answer.status).toBe(200)
    expect(answer.headers.get('access-control-allow-origin')).toBe('https://page.example')
    // an error is readable, too
    const error = await served.post('/embed', { inputs: 'x' }, { origin: 'https://page.example' })
    expect(error.status).toBe(401)
    expect(error.headers.get('access-control-allow-origin')).toBe('https://page.example')
    await served.close()
  })

  it('lets everybody in with *', async () => {
    const served = await testServer({ embedder, cors: ['*'] })
    const { headers } = await served.get('/health', { origin: 'https://page.example' })
    expect(headers.get('access-control-allow-origin')).toBe('*')
    await served.close()
  })
})

describe('a server without documentation', () => {
  it('has none', async () => {
    const served = await testServer({ embedder, docs: false })
    for (const path of ['/docs', '/openapi.json']) expect((await served.get(path)).status).toBe(404)
    expect((await served.get('/')).status).toBe(405) // TEI's clients post there
    await served.close()
  })
})

describe('an embedder', () => {
  it('that fell back says so in a header', async () => {
    const falling = withOverrides(embedder, {
      embed: (async (texts: string[], options: object) => {
        const results = (await embedder.embed(texts, options)) as Embedding[]
        return results.map((result) => ({ ...result, fallback: 'other-model' }))
      }) as typeof embedder.embed,
    })
    const served = await testServer({ embedder: falling })
    const { headers } = await served.post('/v1/embeddings', { input: 'x' })
    expect(headers.get('x-embedding-fallback')).toBe('other-model')
    await served.close()
  })

  it('that gave its weights back is asked all the same', async () => {
    const own = await Embedder.load({ model, unloadAfter: 50 })
    const served = await testServer({ embedder: own })
    await served.post('/embed', { inputs: 'x' })
    await until(() => {
      try {
        return own.info === undefined
      } catch {
        return true // there is none while nothing is loaded
      }
    })
    expect((await served.get('/stats')).json).toMatchObject({ model: { dimensions: 64 } })
    expect((await served.get('/v1/models')).status).toBe(200)
    expect((await served.get('/metrics')).status).toBe(200)
    expect((await served.post('/v1/embed_all', { inputs: 'x', tokens: true })).status).toBe(200)
    await served.close()
    await own.dispose()
  })

  it('without heads reranks and compares by dense vectors, and says what it has not', async () => {
    const own = await Embedder.load({ model: await standinPath({ size: 'tiny', arch: 'minilm' }) })
    const served = await testServer({ embedder: own })
    expect((await served.post('/rerank', { query: 'a', texts: ['b', 'a'] })).json[0].index).toBe(1)
    const { json } = await served.post('/similarity', {
      query: 'a',
      passages: ['a'],
      alignment: true,
      tokens: true,
    })
    const { passages, query } = json
    if (own.info.outputs.colbert) {
      expect(passages[0].alignment).toHaveLength(query.tokenCount - 1)
    } else {
      expect(Object.keys(passages[0].scores)).toEqual(['dense'])
      expect((await served.post('/embed_sparse', { inputs: 'a' })).status).toBe(422)
      const all = await served.post('/v1/embed_all', { inputs: 'a', outputs: { colbert: true } })
      expect(all.json.error.message).toContain('no colbert output')
    }
    await served.close()
    await own.dispose()
  })

  it('that is busy beyond its own limit is 429, and one that is gone 503', async () => {
    const { QueueFullError, DisposedError, MemoryLimitError, InferenceError } = await import(
      '../../../lib/common/errors.js'
    )
    const thrown: { error?: Error } = {}
    const served = await testServer({
      embedder: withOverrides(embedder, {
        embed: (async (texts: string[], options: object) => {
          if (thrown.error) throw thrown.error
          return embedder.embed(texts, options)
        }) as typeof embedder.embed,
      }),
    })
    const statuses = async (error: Error) => {
      thrown.error = error
      const openai = await served.post('/v1/embeddings', { input: 'x' })
      const tei = await served.post('/embed', { inputs: 'x' })
      return [openai.status, tei.status, openai.headers.get('retry-after'), tei.json.error_type]
    }
    expect(await statuses(new QueueFullError('full.'))).toEqual([429, 429, '5', 'Overloaded'])
    expect(await statuses(new DisposedError())).toEqual([503, 503, '5', 'Unhealthy'])
    expect(await statuses(new MemoryLimitError('much.'))).toEqual([503, 503, '5', 'Unhealthy'])
    expect(await statuses(new InferenceError('bad.'))).toEqual([500, 424, null, 'Backend'])
    expect(served.log()).toContain('"detail":"bad."')
    await served.close()
  })
})

describe('createServer', () => {
  it('lets a program add routes of its own, and closes once', async () => {
    const server = await createServer({ embedder, port: 0, page: false, logLevel: 'silent' }, {})
    server.app.get('/own', { config: { public: true } }, () => ({
      dimensions: server.context.info.dimensions,
    }))
    const { url } = await server.start()
    expect(await (await fetch(`${url}/own`)).json()).toEqual({ dimensions: 64 })
    expect(await Promise.all([server.close(), server.close()])).toEqual([true, true])
    // it was given the embedder, so it leaves it
    expect((await embedder.embed('x')).dense).toHaveLength(64)
  })

  it('that never started closes, too', async () => {
    const server = await createServer({ embedder, page: false, logLevel: 'silent' }, {})
    expect(await server.close()).toBe(true)
  })
})
