/** A real PostgreSQL server: workers that are killed, restarts, deadlocks. Its vectors are float4[]. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Embedder } from '../../../../lib/embedder/embedder.js'
import { loadTable } from '../../../../lib/exports/postgres.js'
import { root } from '../../../helpers/child.js'
import { has } from '../../../helpers/needs.mjs'
import { type PostgresServer, startPostgres } from '../../../helpers/postgres-server.js'
import { tinyPath } from '../../../helpers/standins.js'

/** A table of `rows` filled by processes that are killed, and what else may happen to a server. */
export function postgresServer(rows: number): void {
  describe.skipIf(!has('postgres'))('a PostgreSQL server', () => {
    let server: PostgresServer
    let pool: pg.Pool
    let m3: Embedder
    let model: string
    beforeAll(async () => {
      server = await startPostgres()
      pool = new pg.Pool({ connectionString: server.url })
      pool.on('error', () => {})
      model = await tinyPath()
      m3 = await Embedder.load({ model, cache: false })
    })
    afterAll(async () => {
      await m3.dispose()
      await pool.end()
      await server.close()
    })

    const textOf = (id: number) => `row ${id}: what is said here is said once, number ${id * 7919}`

    async function makeTable(rows: number): Promise<void> {
      await pool.query('DROP TABLE IF EXISTS docs')
      await pool.query(
        'CREATE TABLE docs (id bigint PRIMARY KEY, body text, dense float4[], written int DEFAULT 0)',
      )
      // how often each row gets a vector
      await pool.query(`CREATE OR REPLACE FUNCTION count_writes() RETURNS trigger AS
      'BEGIN NEW.written := OLD.written + 1; RETURN NEW; END' LANGUAGE plpgsql`)
      await pool.query(`CREATE TRIGGER count_writes BEFORE UPDATE OF dense ON docs
      FOR EACH ROW EXECUTE FUNCTION count_writes()`)
      const ids = Array.from({ length: rows }, (_, i) => i)
      await pool.query(
        'INSERT INTO docs (id, body) SELECT * FROM unnest($1::bigint[], $2::text[])',
        [ids, ids.map(textOf)],
      )
    }

    /** Every row is there, has the vector that plain `embed` gives, and got it once. */
    async function checkTable(rows: number): Promise<void> {
      const { rows: found } = await pool.query(
        'SELECT id::int, dense, written FROM docs ORDER BY id',
      )
      expect(found).toHaveLength(rows)
      const plain = await m3.embed(found.map(({ id }) => textOf(id)))
      let wrong = 0
      found.forEach(({ dense, written }, i) => {
        const stored = new Float32Array(dense ?? [])
        const expected = plain[i]?.dense as Float32Array
        const isSame =
          stored.length === expected.length && stored.every((v, k) => v === expected[k])
        if (!isSame || written !== 1) wrong++
      })
      expect(wrong).toBe(0)
    }

    const done = async () =>
      Number((await pool.query('SELECT count(dense) FROM docs')).rows[0].count)

    function startWorker(): ChildProcess {
      const args = ['load', 'postgres', '--table', 'docs', '--text', 'body', '--json']
      const options = [
        '--dense-column',
        'dense',
        '--batch-rows',
        '16',
        '--threads',
        '1',
        '--stalled-after',
        '2',
      ]
      return spawn(process.execPath, [join(root, 'dist/cli/main.js'), ...args, ...options], {
        env: { ...process.env, DATABASE_URL: server.url, BGE_M3_MODEL: model },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
    }

    async function end(
      worker: ChildProcess,
    ): Promise<{ code: number | null; out: string; err: string }> {
      let out = ''
      let err = ''
      worker.stdout?.on('data', (part) => (out += part))
      worker.stderr?.on('data', (part) => (err += part))
      const code = await new Promise<number | null>((resolve) => worker.once('close', resolve))
      return { code, out, err }
    }

    it(`${rows} rows, four workers, two of them killed, then one more`, {
      timeout: 600_000,
    }, async () => {
      await makeTable(rows)
      const workers = [startWorker(), startWorker(), startWorker(), startWorker()]
      const ends = workers.map(end)
      while ((await done()) < rows / 5) await sleep(20)
      workers[0]?.kill('SIGKILL')
      while ((await done()) < rows / 3) await sleep(20)
      workers[1]?.kill('SIGKILL')
      const [, , third, fourth] = await Promise.all(ends)
      for (const worker of [third, fourth]) expect(worker?.code, worker?.err).toBe(0)
      const resumed = await end(startWorker())
      expect(resumed.code, resumed.err).toBe(0)
      await checkTable(rows)
      const shares = [third, fourth, resumed].map((worker) => JSON.parse(worker?.out ?? '{}').rows)
      console.info(`postgres: ${rows} rows, the survivors embedded ${shares.join(', ')}`)
    })

    it('goes on after the server was restarted', async () => {
      await makeTable(1500)
      const work = loadTable(m3, server.url, {
        table: 'docs',
        columns: { id: 'id', text: 'body', dense: 'dense' },
        batchRows: 10,
        retry: { retries: 30, delayMs: 50 },
      })
      while ((await done()) < 100) await sleep(5)
      await server.restart()
      const { retries, rows: embedded } = await work
      expect(retries).toBeGreaterThan(0)
      // what was committed when the connection broke, and not confirmed, is not counted
      expect(embedded).toBeGreaterThan(1300)
      await checkTable(1500)
    })

    it('tries again after a deadlock', async () => {
      await makeTable(40)
      const target = await connectWithOneDeadlock(pool)
      const result = await loadTable(m3, target, {
        table: 'docs',
        columns: { id: 'id', text: 'body', dense: 'dense' },
        batchRows: 10,
      })
      expect(result).toMatchObject({ rows: 40, retries: 1 })
      await checkTable(40)
    })

    it('says what is wrong with a connection, and ends', async () => {
      const columns = { id: 'id', text: 'body', dense: 'dense' }
      const retry = { retries: 1, delayMs: 1 }
      const nobody = 'postgres://nobody:secret@127.0.0.1:1/nothing'
      const refused = await loadTable(m3, nobody, { table: 'docs', columns, retry }).catch((e) => e)
      expect(refused).toMatchObject({ code: 'STORE' })
      expect(String(refused)).toContain('ECONNREFUSED')
      expect(String(refused)).not.toContain('secret')
    })

    it('leaves a pool that was handed in open', async () => {
      await makeTable(5)
      const columns = { id: 'id', text: 'body', dense: 'dense' }
      expect(await loadTable(m3, pool, { table: 'docs', columns })).toMatchObject({ rows: 5 })
      expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    })
  })
}

/** A pool whose first write ends in a real deadlock with another session: each has a row that the other wants. */
async function connectWithOneDeadlock(pool: pg.Pool): Promise<pg.Pool> {
  await pool.query('DROP TABLE IF EXISTS locks')
  await pool.query('CREATE TABLE locks (id int PRIMARY KEY, n int)')
  await pool.query('INSERT INTO locks VALUES (1, 0), (2, 0)')
  let isFirst = true
  const query = async (sql: string, parameters?: unknown[]) => {
    if (!sql.includes('UPDATE "docs"') || !isFirst) return pool.query(sql, parameters)
    isFirst = false
    const client = await pool.connect()
    try {
      await client.query('BEGIN')
      await deadlock(pool, client)
      return await client.query(sql, parameters)
    } finally {
      await client.query('ROLLBACK')
      client.release()
    }
  }
  return new Proxy(pool, {
    get(target, key) {
      if (key === 'query') return query
      const value = Reflect.get(target, key)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** @throws the server's 40P01 in `victim`'s transaction, or in the other's, and then nothing */
async function deadlock(pool: pg.Pool, victim: pg.PoolClient): Promise<void> {
  const other = await pool.connect()
  try {
    await victim.query("SET LOCAL deadlock_timeout = '10ms'")
    await other.query('BEGIN')
    // only one of the two looks for deadlocks in time
    await other.query("SET LOCAL deadlock_timeout = '1h'")
    await victim.query('UPDATE locks SET n = 1 WHERE id = 1')
    await other.query('UPDATE locks SET n = 1 WHERE id = 2')
    const waits = other.query('UPDATE locks SET n = 1 WHERE id = 1')
    await sleep(50)
    await Promise.all([victim.query('UPDATE locks SET n = 1 WHERE id = 2'), waits])
  } finally {
    await other.query('ROLLBACK')
    other.release()
  }
}
