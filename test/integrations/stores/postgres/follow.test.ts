/** Rows that are embedded as they come: on a real PostgreSQL server, and in PGlite. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Embedder } from '../../../../lib/embedder/embedder.js'
import { type LoadTableOptions, loadTable } from '../../../../lib/exports/postgres.js'
import { root } from '../../../helpers/child.js'
import { has } from '../../../helpers/needs.mjs'
import { type PostgresServer, startPostgres } from '../../../helpers/postgres-server.js'
import { tinyPath } from '../../../helpers/standins.js'
import { settled, until } from '../../../helpers/until.js'

/** So long that only a notice can be the reason. */
const NEVER_MS = 86_400_000
const columns = { id: 'id', text: 'body', dense: 'dense', error: 'problem' }
const TABLE = `CREATE TABLE docs (id int PRIMARY KEY, body text, dense float4[], problem text,
  written int DEFAULT 0)`

let m3: Embedder
let model: string
beforeAll(async () => {
  model = await tinyPath()
  m3 = await Embedder.load({ model, cache: false })
})
afterAll(() => m3.dispose())

type Query = (sql: string, parameters?: unknown[]) => Promise<{ rows: unknown[] }>

/** Every row has the vector of the text that it has now, or is marked. */
async function isDone(query: Query): Promise<boolean> {
  const open = 'SELECT 1 FROM docs WHERE dense IS NULL AND problem IS NULL'
  if ((await query(open)).rows.length > 0) return false
  const { rows } = await query('SELECT body, dense, problem FROM docs')
  const found = rows as { body: string; dense: number[] | null; problem: string | null }[]
  for (const { body, dense, problem } of found) {
    if (problem !== null) continue
    if (dense === null) return false
    const plain = (await m3.embed(body)).dense
    if (!dense.every((value, i) => Math.fround(value) === plain?.[i])) return false
  }
  return true
}

const servers = [
  { name: 'PGlite', isThere: true },
  { name: 'PostgreSQL', isThere: has('postgres') },
]
describe.each(servers.filter(({ isThere }) => isThere))('follow, in $name', ({ name }) => {
  let server: PostgresServer | undefined
  let pool: pg.Pool | undefined
  let lite: PGlite | undefined
  let target: pg.Pool | PGlite
  let query: Query
  let end: AbortController
  let work: ReturnType<typeof loadTable> | undefined
  beforeAll(async () => {
    if (name === 'PGlite') {
      lite = await PGlite.create()
      target = lite
    } else {
      server = await startPostgres()
      pool = new pg.Pool({ connectionString: server.url })
      pool.on('error', () => {})
      target = pool
    }
    query = (sql, parameters) => (target as pg.Pool).query(sql, parameters)
  })
  afterAll(async () => {
    await pool?.end()
    await lite?.close()
    await server?.close()
  })
  beforeEach(async () => {
    end = new AbortController()
    await query('DROP TABLE IF EXISTS docs')
    await query(TABLE)
    await query(`INSERT INTO docs SELECT i, 'first ' || i FROM generate_series(1, 40) AS i`)
  })
  afterEach(async () => {
    end.abort()
    await work?.catch(() => {})
  })

  function follow(options: Partial<LoadTableOptions>, on: pg.Pool | PGlite | string = target) {
    const { signal } = end
    work = loadTable(m3, on, { table: 'docs', columns, batchRows: 16, signal, ...options })
    work.catch(() => {})
    return work
  }

  it('rows, texts that change and rows that fail, by notices', async () => {
    const following = follow({ follow: { trigger: true, pollMs: NEVER_MS } })
    await until(() => isDone(query))
    await query(`INSERT INTO docs SELECT i, 'second ' || i FROM generate_series(101, 120) AS i`)
    await until(() => isDone(query))
    await query(`UPDATE docs SET body = 'changed ' || id WHERE id % 10 = 3`)
    await until(() => isDone(query))
    await query(`INSERT INTO docs VALUES (200, repeat('long ', 9000)), (201, 'after it')`)
    await until(() => isDone(query))
    const marked = 'SELECT id, problem FROM docs WHERE problem IS NOT NULL'
    expect((await query(marked)).rows).toEqual([{ id: 200, problem: 'INPUT_TOO_LONG' }])
    await query(`UPDATE docs SET body = 'short' WHERE id = 200`)
    await until(async () => (await query(marked)).rows.length === 0)
    await until(() => isDone(query))
    end.abort()
    expect(await following).toMatchObject({ rows: 40 + 20 + 6 + 1 + 1, failed: 1 })
    expect((await query('SELECT * FROM bge_m3_leases')).rows).toEqual([])
  })

  it('a vector that is written with its text stays', async () => {
    follow({ follow: { trigger: true, pollMs: NEVER_MS } })
    await until(() => isDone(query))
    await query(`UPDATE docs SET body = 'mine', dense = '{1,2}' WHERE id = 7`)
    await query(`INSERT INTO docs VALUES (300, 'comes later')`)
    const last = async () =>
      (await query('SELECT 1 FROM docs WHERE id = 300 AND dense IS NOT NULL')).rows.length > 0
    await until(last)
    expect((await query('SELECT dense FROM docs WHERE id = 7')).rows).toEqual([{ dense: [1, 2] }])
  })

  it('without triggers by looking, and nothing is created on the table', async () => {
    follow({ follow: { pollMs: 100 } })
    await until(() => isDone(query))
    await query(`INSERT INTO docs VALUES (101, 'by looking')`)
    await until(() => isDone(query))
    const triggers = `SELECT tgname FROM pg_trigger WHERE tgrelid = 'docs'::regclass`
    expect((await query(triggers)).rows).toEqual([])
  })

  it('asks the database nothing while there is nothing to do', async () => {
    let asked = 0
    const counted = new Proxy(target, {
      get(on, key) {
        if (key === 'query' || key === 'connect') asked++
        const value = Reflect.get(on, key)
        return typeof value === 'function' ? value.bind(on) : value
      },
    })
    follow({ follow: { trigger: true, pollMs: NEVER_MS } }, counted)
    await until(() => isDone(query))
    await until(async () => (await query('SELECT * FROM bge_m3_leases')).rows.length === 0)
    const before = await settled(() => asked)
    await new Promise((resolve) => setTimeout(resolve, 1000))
    expect(asked).toBe(before)
    await query(`INSERT INTO docs VALUES (101, 'wakes it')`)
    await until(() => isDone(query))
    expect(asked).toBeGreaterThan(before)
  })

  it('refuses what cannot be followed for weeks', async () => {
    const { error: _, ...others } = columns
    const refused = { code: 'INVALID_INPUT' }
    await expect(follow({ follow: true, columns: others })).rejects.toMatchObject(refused)
    await expect(follow({ follow: { pollMs: 0 } })).rejects.toMatchObject(refused)
    await expect(follow({ follow: { every: 1 } as never })).rejects.toMatchObject(refused)
    await expect(follow({ follow: 'yes' as never })).rejects.toMatchObject(refused)
  })

  if (name === 'PGlite') return

  it('hears again after the connection that listens was ended, and the server has crashed', async () => {
    const url = server?.url as string
    follow({ follow: { trigger: true, pollMs: 500 } }, url)
    await until(() => isDone(query))
    const listening = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'`
    await until(async () => (await query(listening)).rows.length > 0)
    await query(`INSERT INTO docs VALUES (101, 'said to nobody')`)
    await until(() => isDone(query))
    await until(
      async () =>
        (await query(listening.replace('pg_terminate_backend(pid)', 'pid'))).rows.length > 0,
    )
    await server?.restart()
    const again: Query = (sql) => query(sql).catch(() => again(sql))
    await again(`INSERT INTO docs VALUES (102, 'after the crash')`)
    await until(() => isDone(query))
  })

  it('looks where it may create nothing, and says what the owner is to run', async () => {
    const url = server?.url as string
    await query('DROP TABLE IF EXISTS bge_m3_leases, bge_m3_models')
    await query('DROP FUNCTION IF EXISTS bge_m3_notify, bge_m3_stale CASCADE')
    // the tables are there
    await loadTable(m3, url, { table: 'docs', columns })
    await query('DROP ROLE IF EXISTS clerk')
    await query('CREATE ROLE clerk LOGIN')
    await query('REVOKE CREATE ON SCHEMA public FROM PUBLIC')
    await query('GRANT SELECT, UPDATE ON docs TO clerk')
    await query('GRANT SELECT, INSERT, UPDATE, DELETE ON bge_m3_leases, bge_m3_models TO clerk')
    const clerk = url.replace('postgres@', 'clerk@')
    for (let missing = 4; missing > 0; missing--) {
      const error = await follow({ follow: { trigger: true } }, clerk).catch((e) => e)
      expect(error).toMatchObject({ code: 'INVALID_INPUT' })
      const [, statement = ''] = /Its owner runs: (.*)\.$/s.exec(error.message) ?? []
      await query(statement)
    }
    follow({ follow: { trigger: true, pollMs: NEVER_MS } }, clerk)
    await query(`INSERT INTO docs VALUES (101, 'for the clerk')`)
    await until(() => isDone(query))
    end.abort()
    await work
    await query('DROP FUNCTION bge_m3_notify, bge_m3_stale CASCADE')
    end = new AbortController()
    follow({ follow: { pollMs: 100 } }, clerk)
    await query(`INSERT INTO docs VALUES (102, 'found by looking')`)
    await until(() => isDone(query))
    end.abort()
    await work
    await query('DROP OWNED BY clerk')
    await query('DROP ROLE clerk')
  })

  it('as a command: killed it is resumed, told to end it reports, and each row is written once', async () => {
    await query(`CREATE OR REPLACE FUNCTION count_writes() RETURNS trigger AS
      'BEGIN NEW.written := OLD.written + 1; RETURN NEW; END' LANGUAGE plpgsql`)
    await query(`CREATE TRIGGER count_writes BEFORE UPDATE OF dense ON docs
      FOR EACH ROW EXECUTE FUNCTION count_writes()`)
    const first = startCommand(server?.url as string)
    await until(() => isDone(query))
    await query(`INSERT INTO docs SELECT i, 'second ' || i FROM generate_series(101, 400) AS i`)
    const filled = 'SELECT 1 FROM docs WHERE dense IS NOT NULL'
    await until(async () => (await query(filled)).rows.length > 60)
    first.process.kill('SIGKILL')
    const second = startCommand(server?.url as string)
    await until(() => isDone(query))
    await query(`INSERT INTO docs VALUES (500, 'the last')`)
    await until(() => isDone(query))
    second.process.kill('SIGTERM')
    const [code] = await once(second.process, 'close')
    expect(code, second.said.err).toBe(0)
    const { rows, failed } = JSON.parse(second.said.out)
    expect(failed).toBe(0)
    expect(rows).toBeGreaterThan(0)
    expect((await query('SELECT id FROM docs WHERE written <> 1')).rows).toEqual([])
  })
})

function startCommand(url: string): { process: ChildProcess; said: { out: string; err: string } } {
  const table = ['--table', 'docs', '--text', 'body', '--dense-column', 'dense']
  const options = ['--error-column', 'problem', '--batch-rows', '16', '--stalled-after', '2']
  const follow = ['--follow', '--triggers', '--poll', '1', '--json']
  const command = ['load', 'postgres', ...table, ...options, ...follow]
  const process_ = spawn(process.execPath, [join(root, 'dist/cli/main.js'), ...command], {
    env: { ...process.env, DATABASE_URL: url, BGE_M3_MODEL: model },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said = { out: '', err: '' }
  process_.stdout.on('data', (part) => (said.out += part))
  process_.stderr.on('data', (part) => (said.err += part))
  return { process: process_, said }
}
