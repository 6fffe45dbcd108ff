/** examples/queue, and a program that must end by itself. */
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { root, run, runModule } from '../../helpers/child.js'
import { has } from '../../helpers/needs.mjs'
import { type RedisServer, startRedis } from '../../helpers/redis-server.js'
import { tinyPath } from '../../helpers/standins.js'

let env: NodeJS.ProcessEnv
beforeAll(async () => {
  env = { ...process.env, BGE_M3_MODEL: await tinyPath() }
})

describe('examples/queue', () => {
  it('says what is missing where no Redis answers', async () => {
    const end = await run(process.execPath, ['examples/queue/queue.mjs'], {
      env: { ...env, REDIS_URL: 'redis://127.0.0.1:1' },
    })
    expect(end.code).toBe(1)
    expect(end.stdout).toBe('')
    expect(end.stderr).toMatch(
      /^Redis at 127\.0\.0\.1:1 cannot be used: ECONNREFUSED\. Start a Redis/,
    )
  })
})

describe.skipIf(!has('redis'))('with Redis', () => {
  let server: RedisServer
  beforeEach(async () => {
    server = await startRedis()
  })
  afterEach(() => server?.close())

  it('the example runs', async () => {
    const end = await run(process.execPath, ['examples/queue/queue.mjs'], {
      env: { ...env, REDIS_URL: server.url },
    })
    expect(end.code, end.stderr).toBe(0)
    expect(end.stdout).toMatch(
      /^200 texts, \d+ tokens in \d+ jobs\n200 texts stored, \d+ tokens\n200 rows in the table\n$/,
    )
    expect(end.stderr).toMatch(/200 of 200, \d+ tokens\/s, 0 s left\n$/)
  })

  it('nothing is left that would keep a program, also when Redis has gone', async () => {
    const source = (file: string) => JSON.stringify(`${root}/dist/${file}.js`)
    const end = await runModule(
      `import { Embedder } from ${JSON.stringify(`${root}/dist/index.js`)}
      import { enqueue, queueStatus, runWorker } from ${source('queue')}
      import { Redis } from 'ioredis'
      const m3 = await Embedder.load({ cache: false })
      const address = { redis: process.env.REDIS_URL, queue: 'ends' }
      const stop = new AbortController()
      const store = { async prepare() {}, async write() {}, async stored() { return new Set() }, async close() {} }
      await enqueue(m3, ['one', 'two'], address)
      const working = runWorker(m3, { ...address, store, signal: stop.signal, shutdownTimeout: 100 })
      while ((await queueStatus(address)).items.done < 2) await new Promise((r) => setTimeout(r, 20))
      const client = new Redis(process.env.REDIS_URL, { retryStrategy: () => null })
      client.on('error', () => {})
      const gone = new Promise((resolve) => client.once('end', resolve))
      client.shutdown('NOSAVE').catch(() => {})
      await gone
      stop.abort()
      const result = await working
      await m3.dispose()
      console.log(JSON.stringify(result))`,
      {
        env: { ...env, REDIS_URL: server.url },
      },
    )
    expect(end, end.stderr).toMatchObject({ code: 0, timedOut: false, stderr: '' })
    expect(JSON.parse(end.stdout)).toMatchObject({ jobs: 1, items: 2 })
  })
})
