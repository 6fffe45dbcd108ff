/** Worker processes that are killed, a Redis and a PostgreSQL that are killed: nothing is lost or wrong. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Chunk } from '../../../lib/common/types.js'
import { Embedder } from '../../../lib/embedder/embedder.js'
import { enqueue, queueStatus } from '../../../lib/exports/queue.js'
import { root } from '../../helpers/child.js'
import { has } from '../../helpers/needs.mjs'
import { type PostgresServer, startPostgres } from '../../helpers/postgres-server.js'
import { type RedisServer, startRedis } from '../../helpers/redis-server.js'
import { tinyPath } from '../../helpers/standins.js'

export function workersThatDie(texts: number, jobTokens: number): void {
  describe.skipIf(!has('redis', 'postgres'))('workers that die', () => {
    let redis: RedisServer
    let postgres: PostgresServer
    let pool: pg.Pool
    let model: string
    let m3: Embedder
    beforeAll(async () => {
      redis = await startRedis()
      postgres = await startPostgres()
      pool = new pg.Pool({ connectionString: postgres.url })
      pool.on('error', () => {})
      model = await tinyPath()
      m3 = await Embedder.load({ model, cache: false })
    })
    afterAll(async () => {
      await m3?.dispose()
      await pool?.end()
      await postgres?.close()
      await redis?.close()
    })

    const textOf = (id: number) =>
      `text ${id}: ${'what is said here is said once '.repeat(1 + (id % 5))}number ${id * 7919}`
    const corpus: Chunk[] = Array.from({ length: texts }, (_, i) => ({
      id: `${i}`,
      text: textOf(i),
    }))

    function startWorker(): ChildProcess {
      const table = ['--table', 'docs', '--text-column', 'body', '--dense-column', 'dense']
      const options = ['--queue', 'crash', '--until-done', '--stalled-after', '2', '--threads', '1']
      return spawn(
        process.execPath,
        [join(root, 'dist/cli/main.js'), 'worker', ...table, ...options, '--json'],
        {
          env: {
            ...process.env,
            REDIS_URL: redis.url,
            DATABASE_URL: postgres.url,
            BGE_M3_MODEL: model,
          },
          stdio: ['ignore', 'pipe', 'pipe'],
        },
      )
    }

    async function end(worker: ChildProcess) {
      let out = ''
      let err = ''
      worker.stdout?.on('data', (part) => (out += part))
      worker.stderr?.on('data', (part) => (err += part))
      const code = await new Promise<number | null>((resolve) => worker.once('close', resolve))
      return { code, out, err }
    }

    /** Of a worker that has a job at this moment. */
    async function killOneAtWork(workers: readonly ChildProcess[]): Promise<ChildProcess> {
      const client = new Redis(redis.url, { maxRetriesPerRequest: null })
      const bull = new Queue('crash', { connection: client })
      try {
        for (;;) {
          for (const { processedBy = '' } of await bull.getActive()) {
            const victim = workers.find(({ pid }) => processedBy.includes(`:${pid}:`))
            if (!victim?.kill('SIGKILL')) continue
            return victim
          }
        }
      } finally {
        await bull.close()
        client.disconnect()
      }
    }

    const stored = async () =>
      Number((await pool.query('SELECT count(*) FROM docs')).rows[0].count as string)

    it(`${texts} texts, three workers, one killed, Redis and PostgreSQL killed and started again`, {
      timeout: 900_000,
    }, async () => {
      await pool.query(
        `CREATE TABLE docs (id text PRIMARY KEY, body text, dense float4[],
       written int NOT NULL DEFAULT 0)`,
      )
      // how often the vector of each row was written
      await pool.query(`CREATE FUNCTION count_writes() RETURNS trigger AS
      'BEGIN NEW.written := NEW.written + 1; RETURN NEW; END' LANGUAGE plpgsql`)
      await pool.query(`CREATE TRIGGER count_writes BEFORE INSERT OR UPDATE OF dense ON docs
      FOR EACH ROW EXECUTE FUNCTION count_writes()`)
      const address = { redis: redis.url, queue: 'crash' }
      const workers = [startWorker(), startWorker(), startWorker()]
      const ends = workers.map(end)
      while ((await queueStatus(address)).workers.length < 3) await sleep(50)
      const producing = enqueue(m3, corpus, { ...address, jobTokens, maxWaiting: 20 })
      while ((await stored()) < texts / 5) await sleep(10)
      const victim = await killOneAtWork(workers)
      while ((await stored()) < texts / 3) await sleep(10)
      await redis.kill()
      const atKill = await stored()
      await redis.start()
      while ((await stored()) < texts / 2) await sleep(10)
      await postgres.restart()
      const survivors = (await Promise.all(ends)).filter((_, i) => workers[i] !== victim)
      const made = await producing
      for (const worker of survivors) expect(worker.code, worker.err).toBe(0)
      expect(made).toMatchObject({ items: texts, failed: 0 })

      const status = await queueStatus(address)
      expect(status).toMatchObject({
        producing: false,
        items: { total: texts, done: texts, failed: 0, left: 0 },
        jobs: { total: made.jobs, done: made.jobs, waiting: 0, active: 0, delayed: 0, failed: 0 },
      })
      const { rows } = await pool.query(
        'SELECT id::int, body, dense, written FROM docs ORDER BY id::int',
      )
      expect(rows).toHaveLength(texts)
      const plain = await m3.embed(corpus.map(({ text }) => text))
      let wrong = 0
      rows.forEach(({ id, body, dense, written }, i) => {
        const expected = plain[i]?.dense as Float32Array
        const vector = new Float32Array(dense)
        const isSame =
          vector.length === expected.length && vector.every((v, k) => v === expected[k])
        if (id !== i || body !== textOf(i) || !isSame || written !== 1) wrong++
      })
      expect(wrong).toBe(0)
      const shares = survivors.map(({ out }) => JSON.parse(out))
      console.info(
        `queue: ${texts} texts in ${made.jobs} jobs, Redis killed at ${atKill}, the survivors stored ` +
          `${shares.map(({ items }) => items).join(', ')}`,
      )
    })
  })
}
