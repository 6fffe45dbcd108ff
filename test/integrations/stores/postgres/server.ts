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
      const lines: string[] = []
      const work = loadTable(m3, server.url, {
        table: 'docs',
        columns: { id: 'id', text: 'body', dense: 'dense' },
        batchRows: 10,
        retry: { retries: 30, delayMs: 50 },
        logger: { warn: (line) => lines.push(line), info: (line) => lines.push(line) },
      })
      while ((await done()) < 100) await sleep(5)
      await server.restart()
      const { retries, rows: embedded } = await work
      expect(retries).toBeGreaterThan(0)
      expect(lines.join('\n')).toMatch(
        /waiting for the database: .*\n(.*\n)*.*the database is back/,
      )
      // what was committed when the connection broke, and not confirmed, is not counted
      expect(embedded).toBeGreaterThan(1300)
      await checkTable(1500)
    })

    const columns = { id: 'id', text: 'body', dense: 'dense' }

    it('keeps nothing open while texts are embedded', async () => {
      await makeTable(200)
      const impatient = new pg.Pool({
        connectionString: server.url,
        options: '-c idle_in_transaction_session_timeout=50 -c lock_timeout=50',
      })
      const states = new Set<string>()
      const looking = new AbortController()
      const watch = (async () => {
        while (!looking.signal.aborted) {
          const { rows } = await pool.query(
            `SELECT state FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND state <> 'idle'
             AND state_change < clock_timestamp() - interval '30 ms' AND datname IS NOT NULL`,
          )
          for (const { state } of rows) states.add(String(state))
          await sleep(5)
        }
      })()
      // as slow as the full model: a batch takes longer than the server's patience
      const slow = slowed(m3, 150)
      const options = { table: 'docs', columns, batchRows: 40 }
      expect(await loadTable(slow, impatient, options)).toMatchObject({ rows: 200, retries: 0 })
      looking.abort()
      await watch
      await impatient.end()
      expect(states).not.toContain('idle in transaction')
      await checkTable(200)
    })

    it('takes over what somebody had claimed who is dead, and waits for who is alive', async () => {
      await makeTable(60)
      const options = { table: 'docs', columns, batchRows: 20, stalledAfter: 600 }
      // never answers: its leases are renewed as long as it lives
      const end = new AbortController()
      const stuck = slowed(m3, 1e9)
      const hanging = loadTable(stuck, pool, { ...options, signal: end.signal }).catch(() => {})
      const claimed = async () =>
        Number((await pool.query('SELECT count(*) FROM bge_m3_leases')).rows[0].count)
      while ((await claimed()) < 60) await sleep(10)
      let isDone = false
      const other = loadTable(m3, pool, options).then((result) => {
        isDone = true
        return result
      })
      await sleep(2000)
      expect([isDone, await done()]).toEqual([false, 0])
      // dies: nobody renews, and nobody gives back
      await pool.query(`UPDATE bge_m3_leases SET owner = gen_random_uuid()`)
      expect(await other).toMatchObject({ rows: 60 })
      end.abort()
      await hanging
      await checkTable(60)
      expect(await claimed()).toBe(0)
    })

    it('gives a vector to the text it was made from, and to no other', async () => {
      await makeTable(40)
      await pool.query('ALTER TABLE docs DISABLE TRIGGER count_writes')
      let changed = 0
      const changing = slowed(m3, 0, async () => {
        if (changed++ > 0) return
        await pool.query(`UPDATE docs SET body = 'changed ' || id WHERE id < 10`)
        await pool.query('DELETE FROM docs WHERE id = 11')
      })
      const result = await loadTable(changing, pool, { table: 'docs', columns, batchRows: 40 })
      expect(result).toMatchObject({ rows: 39, failed: 0 })
      const { rows } = await pool.query('SELECT body, dense FROM docs ORDER BY id')
      const plain = await m3.embed(rows.map(({ body }) => String(body)))
      rows.forEach(({ dense }, i) => {
        expect(new Float32Array(dense)).toEqual(plain[i]?.dense)
      })
    })

    it('says which tables it needs where it may not create them, and uses those that are there', async () => {
      await makeTable(5)
      await pool.query('DROP TABLE IF EXISTS bge_m3_leases, bge_m3_models')
      await pool.query('CREATE ROLE clerk LOGIN')
      await pool.query('REVOKE CREATE ON SCHEMA public FROM PUBLIC')
      await pool.query('GRANT SELECT, UPDATE ON docs TO clerk')
      const url = server.url.replace('postgres@', 'clerk@')
      const options = { table: 'docs', columns }
      for (let missing = 2; missing > 0; missing--) {
        const error = await loadTable(m3, url, options).catch((e) => e)
        expect(error).toMatchObject({ code: 'INVALID_INPUT' })
        const [, statement = ''] = /Its owner runs: (.*);/.exec(error.message) ?? []
        for (const sql of statement.split('; ')) await pool.query(sql)
        const [, table = ''] = /The table (\S+) is missing/.exec(error.message) ?? []
        await pool.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${table} TO clerk`)
      }
      expect(await loadTable(m3, url, options)).toMatchObject({ rows: 5 })
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

/** An embedder whose texts take so many milliseconds more, or as long as something else takes. */
function slowed(m3: Embedder, milliseconds: number, meanwhile?: () => Promise<void>): Embedder {
  const embed = async (texts: readonly string[], options: { signal?: AbortSignal }) => {
    const results = await m3.embed(texts as string[], options)
    await meanwhile?.()
    await sleep(Math.min(milliseconds, 2 ** 31 - 1), undefined, { signal: options.signal })
    return results
  }
  return { info: m3.info, embed } as unknown as Embedder
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
