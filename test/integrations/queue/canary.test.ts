/** Whatever Redis says of a command, no text of a user gets into a message or a log. */
import { once } from 'node:events'
import { createServer, connect as dial, type Socket } from 'node:net'
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Embedder } from '../../../lib/embedder/embedder.js'
import { enqueue, queueStatus, runWorker } from '../../../lib/exports/queue.js'
import { has } from '../../helpers/needs.mjs'
import { type RedisServer, startRedis } from '../../helpers/redis-server.js'
import { tinyPath } from '../../helpers/standins.js'
import { until } from '../../helpers/until.js'
import { MemoryStore } from './memory-store.js'

const CANARY = 'canary-7f3a'
const corpus = Array.from({ length: 20 }, (_, i) => ({
  id: `t${i}`,
  text: `${CANARY} number ${i}`,
}))

/** Redis, until it is told to refuse: then it says of each command what the command was. */
async function startTelltale(port: number) {
  const sockets = new Set<Socket>()
  const telltale = {
    url: '',
    refusing: 'nothing' as 'nothing' | 'texts' | 'all',
    texts: 0,
    close: async () => {},
  }
  const server = createServer((client) => {
    const redis = dial(port, '127.0.0.1')
    for (const socket of [client, redis]) sockets.add(socket.on('error', () => {}))
    redis.on('data', (data) => client.write(data)).on('close', () => client.destroy())
    client
      .on('close', () => redis.destroy())
      .on('data', (data) => {
        const hasTexts = data.includes(CANARY)
        const isRefused = telltale.refusing === 'all' || (telltale.refusing === 'texts' && hasTexts)
        if (!isRefused) return redis.write(data)
        if (hasTexts) telltale.texts++
        const commands = String(data).split(/(?=\*\d+\r\n\$)/)
        for (const command of commands) {
          client.write(`-ERR no such thing as ${command.replace(/\s+/g, ' ')} ${CANARY}\r\n`)
        }
      })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  telltale.url = `redis://127.0.0.1:${(server.address() as { port: number }).port}`
  telltale.close = async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  }
  return telltale
}

describe.skipIf(!has('redis'))('what Redis says', () => {
  let server: RedisServer
  let m3: Embedder
  beforeAll(async () => {
    server = await startRedis()
    m3 = await Embedder.load({ model: await tinyPath(), cache: false })
  })
  afterAll(async () => {
    await m3?.dispose()
    await server?.close()
  })

  it('to a producer stays there', async () => {
    const telltale = await startTelltale(server.port)
    const producing = (async function* () {
      yield* corpus
      telltale.refusing = 'all'
    })()
    const error = await enqueue(m3, producing, { redis: telltale.url, queue: 'one' }).catch(
      (e) => e,
    )
    expect(error).toMatchObject({ code: 'QUEUE' })
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(CANARY)
    await telltale.close()
  })

  it('to a producer stays there, also of a command that has the texts', async () => {
    const telltale = await startTelltale(server.port)
    telltale.refusing = 'texts'
    const error = await enqueue(m3, corpus, { redis: telltale.url, queue: 'two' }).catch((e) => e)
    expect(telltale.texts).toBeGreaterThan(0)
    expect(error).toMatchObject({ code: 'QUEUE', message: 'Redis refuses: ERR.' })
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(CANARY)
    await telltale.close()
  })

  it('to a worker and to who looks stays there', async () => {
    await enqueue(m3, corpus, { redis: server.url, queue: 'three', jobTokens: 20 })
    const telltale = await startTelltale(server.port)
    const lines: string[] = []
    const log = (line: string) => lines.push(line)
    const end = new AbortController()
    const store = new MemoryStore()
    const write = store.write.bind(store)
    store.write = async (chunks) => {
      telltale.refusing = 'all'
      return write(chunks)
    }
    const work = runWorker(m3, {
      redis: telltale.url,
      queue: 'three',
      store,
      signal: end.signal,
      shutdownTimeout: 0,
      logger: { info: log, warn: log, error: log, debug: log },
    }).catch((error) => error)
    await until(() => lines.some((line) => /QUEUE|INTERNAL/.test(line)))
    const looking = await queueStatus({ redis: telltale.url, queue: 'three' }).catch((e) => e)
    expect(looking).toMatchObject({ code: 'QUEUE' })
    telltale.refusing = 'nothing'
    end.abort()
    const result = await work
    const said = [lines, inspect([looking, result], { depth: 20, showHidden: true })].join()
    expect(said).not.toContain(CANARY)
    await telltale.close()
  })
})
