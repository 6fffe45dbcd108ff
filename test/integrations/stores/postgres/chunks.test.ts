/** Documents that are cut into a table of chunks: on PGlite with pgvector, and on a server where there is one. */
import { PGlite } from '@electric-sql/pglite'
import { vector } from '@electric-sql/pglite-pgvector'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { chunkText } from '../../../../lib/chunking/chunk-text.js'
import { Embedder } from '../../../../lib/embedder/embedder.js'
import type { PostgresTarget } from '../../../../lib/integrations/stores/postgres/connection.js'
import { loadTable } from '../../../../lib/integrations/stores/postgres/load.js'
import type { LoadTableOptions } from '../../../../lib/integrations/stores/postgres/load-types.js'
import { has } from '../../../helpers/needs.mjs'
import { type PostgresServer, startPostgres } from '../../../helpers/postgres-server.js'
import { tinyPath } from '../../../helpers/standins.js'
import { until } from '../../../helpers/until.js'

let m3: Embedder
beforeAll(async () => {
  m3 = await Embedder.load({ model: await tinyPath() })
})
afterAll(() => m3.dispose())

interface Database {
  target: PostgresTarget
  query(sql: string, parameters?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>
  close(): Promise<void>
}

// sentences with characters of two UTF-16 units, so that places in units and in characters differ
const long = (seed: string, sentences: number) =>
  Array.from({ length: sentences }, (_, i) => `The 🦫 ${seed} swims ${i} miles. `).join('')

const CHUNK = { maxTokens: 40, overlap: 8 }

describe.each([
  ['PGlite', true],
  ['a server', has('postgres')],
] as const)('%s', (name, isThere) => {
  let server: PostgresServer | undefined
  let db: Database
  beforeAll(async () => {
    if (name === 'a server' && isThere) server = await startPostgres()
  })
  afterAll(() => server?.close())
  beforeEach(async (context) => {
    if (!isThere) return context.skip()
    if (server) {
      const pool = new pg.Pool({ connectionString: server.url })
      pool.on('error', () => {})
      await pool.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public')
      db = {
        target: pool,
        query: (sql, values) => pool.query(sql, values),
        close: () => pool.end(),
      }
    } else {
      const lite = await PGlite.create({ extensions: { vector } })
      await lite.exec('CREATE EXTENSION vector')
      db = {
        target: lite,
        query: (sql, values) => lite.query(sql, values),
        close: () => lite.close(),
      }
    }
    await db.query('CREATE TABLE docs (id int PRIMARY KEY, body text, error text)')
  })
  afterEach(() => db?.close())

  const load = (options: Partial<LoadTableOptions> = {}) =>
    loadTable(m3, db.target, {
      table: 'docs',
      columns: { id: 'id', text: 'body', dense: 'v' },
      chunk: CHUNK,
      ...options,
    })
  const put = (id: number, text: string | null) =>
    db.query(
      'INSERT INTO docs VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET body = EXCLUDED.body',
      [id, text],
    )
  const places = async (id: number) =>
    (
      await db.query(
        `SELECT part, starts, ends, hash IS NOT NULL AS hashed, v::text AS v,
           substring(body FROM starts + 1 FOR ends - starts) AS text
         FROM docs_chunks JOIN docs ON docs.id = document WHERE document = $1 ORDER BY part`,
        [id],
      )
    ).rows
  /** What the table must have of a text, by way of the library alone. */
  const expected = async (text: string) => {
    const chunks = await chunkText(text, { ...CHUNK, tokenizer: m3 })
    const texts = chunks.length > 0 ? chunks.map((chunk) => chunk.text) : ['']
    const vectors = await m3.embed(texts, { prompt: 'passage' })
    return texts.map((part, i) => ({ text: part, vector: vectors[i]?.dense }))
  }
  const check = async (id: number, text: string) => {
    const [found, wanted] = [await places(id), await expected(text)]
    expect(found.map((row) => row.text)).toEqual(wanted.map((row) => row.text))
    expect(found.map(({ part, hashed }) => [part, hashed])).toEqual(
      wanted.map((_, i) => [i, i === 0]),
    )
    for (const [i, row] of found.entries()) {
      const numbers = String(row.v)
        .replace(/[[\]{}]/g, '')
        .split(',')
        .map(Number)
      expect(Float32Array.from(numbers)).toEqual(wanted[i]?.vector)
    }
  }

  it('has the vectors and places of each chunk; a second run has nothing to do', async () => {
    const texts = [long('beaver', 30), 'short', '', long('otter', 3)]
    for (const [i, text] of texts.entries()) await put(i, text)
    const result = await load()
    expect(result).toMatchObject({ rows: 4, failed: 0 })
    for (const [i, text] of texts.entries()) await check(i, text)
    expect((await places(0)).length).toBeGreaterThan(5)
    expect(await load()).toMatchObject({ rows: 0, batches: 0 })
  })

  it('replaces the chunks of a text that changes, and drops those of a document that goes', async () => {
    await put(1, long('beaver', 30))
    await put(2, long('otter', 30))
    await put(3, long('mink', 9))
    await load()
    const untouched = await places(2)
    await put(1, long('marten', 4))
    await put(3, null)
    expect(await load()).toMatchObject({ rows: 1 })
    await check(1, long('marten', 4))
    expect(await places(2)).toEqual(untouched)
    expect(await places(3)).toEqual([])
    await db.query('DELETE FROM docs WHERE id = 2')
    const { rows } = await db.query('SELECT DISTINCT document FROM docs_chunks')
    expect(rows).toEqual([{ document: 1 }])
  })

  it('cuts anew when it is told to cut in another way', async () => {
    await put(1, long('beaver', 30))
    await load()
    const before = (await places(1)).length
    expect(await load({ chunk: { maxTokens: 80, overlap: 8 } })).toMatchObject({ rows: 1 })
    expect((await places(1)).length).toBeLessThan(before)
    expect(await load()).toMatchObject({ rows: 1 })
    await check(1, long('beaver', 30))
  })

  it('a document that is refused costs no other, and is marked', async () => {
    await load()
    await db.query('ALTER TABLE docs_chunks ADD CONSTRAINT short CHECK (part < 5)')
    const ids = Array.from({ length: 20 }, (_, i) => i)
    for (const i of ids) await put(i, long('beaver', i % 7 === 3 ? 30 : 2))
    const options = { columns: { id: 'id', text: 'body', dense: 'v', error: 'error' } }
    const result = await load(options)
    const bad = ids.filter((i) => i % 7 === 3)
    expect(result).toMatchObject({ rows: 20 - bad.length, failed: bad.length })
    // in the order in which batches end
    const told = result.failures.map(({ id, sqlState }) => [Number(id), sqlState])
    expect(told.sort(([a], [b]) => Number(a) - Number(b))).toEqual(bad.map((i) => [i, '23514']))
    expect(JSON.stringify(result)).not.toContain('beaver')
    const { rows } = await db.query('SELECT id FROM docs WHERE error IS NOT NULL ORDER BY id')
    expect(rows.map(({ id }) => id)).toEqual(bad)
    for (const i of bad) expect(await places(i)).toEqual([])
    expect(await load(options)).toMatchObject({ rows: 0, failed: 0 })
  })

  it('three loads at once write each document once', async () => {
    const ids = Array.from({ length: 40 }, (_, i) => i)
    for (const i of ids) await put(i, long(`animal ${i}`, 8))
    const results = await Promise.all([load(), load(), load()])
    expect(results.reduce((sum, { rows }) => sum + rows, 0)).toBe(40)
    for (const i of [0, 17, 39]) await check(i, long(`animal ${i}`, 8))
  })

  it('follows: new documents, and texts that change', async () => {
    await put(1, long('beaver', 20))
    const controller = new AbortController()
    const columns = { id: 'id', text: 'body', dense: 'v', error: 'error' }
    const follow = { pollMs: 100, trigger: true }
    const following = load({ columns, follow, signal: controller.signal })
    const hasParts = (id: number, text: string) =>
      until(async () => {
        const there = await db
          .query(
            `SELECT string_agg(substring(body FROM starts + 1 FOR 12), '|' ORDER BY part) AS t, count(*)::int AS n
             FROM docs_chunks JOIN docs ON docs.id = document WHERE document = $1`,
            [id],
          )
          .catch(() => ({ rows: [{ n: 0 }] }))
        return there.rows[0]?.n === (await expected(text)).length
      })
    await hasParts(1, long('beaver', 20))
    await put(2, long('otter', 6))
    await hasParts(2, long('otter', 6))
    await put(1, long('mink', 3))
    await hasParts(1, long('mink', 3))
    controller.abort()
    await following
    await check(1, long('mink', 3))
    await check(2, long('otter', 6))
  })

  it('refuses another model, tables that do not fit, and sizes that cannot be', async () => {
    await put(1, 'text')
    await load()
    await db.query("UPDATE bge_m3_models SET model = 'another'")
    await expect(load()).rejects.toMatchObject({ code: 'INVALID_INPUT', message: /another model/ })
    await db.query(
      'CREATE TABLE bare (document int, part int, starts int, ends int, hash text, v float4[])',
    )
    await expect(load({ chunk: { ...CHUNK, table: 'bare' } })).rejects.toThrow(/primary key/)
    await db.query('CREATE TABLE odd (document int, part text)')
    await expect(load({ chunk: { ...CHUNK, table: 'odd' } })).rejects.toThrow(
      /"part".*is text, not integer/,
    )
    for (const chunk of [{ maxTokens: 1 }, { maxTokens: 40, overlap: 39 }, { size: 3 }]) {
      await expect(load({ chunk: chunk as object })).rejects.toMatchObject({
        code: 'INVALID_INPUT',
      })
    }
  })
})

it('builds an index on the chunks, and writes sparse vectors', async () => {
  const lite = await PGlite.create({ extensions: { vector } })
  await lite.exec(
    'CREATE EXTENSION vector; CREATE SCHEMA s; CREATE TABLE s.docs (id text PRIMARY KEY, body text)',
  )
  await lite.query('INSERT INTO s.docs VALUES ($1, $2)', ['a', long('beaver', 30)])
  const columns = { id: 'id', text: 'body', dense: 'v', sparse: 'w' }
  const options = { table: 's.docs', columns, chunk: CHUNK, index: true }
  expect(await loadTable(m3, lite, options)).toMatchObject({ rows: 1 })
  const { rows } = await lite.query(
    `SELECT indexname FROM pg_indexes WHERE schemaname = 's' AND indexdef LIKE '%hnsw%' ORDER BY 1`,
  )
  expect(rows).toEqual([{ indexname: 'docs_chunks_v_hnsw' }, { indexname: 'docs_chunks_w_hnsw' }])
  const some = await lite.query('SELECT count(*)::int AS n FROM s.docs_chunks WHERE w IS NOT NULL')
  expect((some.rows[0] as { n: number }).n).toBeGreaterThan(5)
  await lite.close()
})
