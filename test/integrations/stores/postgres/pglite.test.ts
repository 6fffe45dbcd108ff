/** pgvector's types and indexes, in PGlite. */
import { PGlite } from '@electric-sql/pglite'
import { vector } from '@electric-sql/pglite-pgvector'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Embedder } from '../../../../lib/embedder/embedder.js'
import { type LoadProgress, loadTable } from '../../../../lib/exports/postgres.js'
import { standinPath } from '../../../helpers/standins.js'
import { mixedTexts } from '../../../helpers/texts.js'

let m3: Embedder
let db: PGlite
beforeAll(async () => {
  m3 = await Embedder.load({ model: await standinPath({ size: 'tiny' }), cache: false })
  db = await PGlite.create({ extensions: { vector } })
  await db.exec('CREATE EXTENSION vector')
})
afterAll(async () => {
  await m3.dispose()
  await db.close()
})
beforeEach(() => db.exec('DROP TABLE IF EXISTS docs'))

const VOCABULARY = 250_002
const texts = mixedTexts(150)
const columns = { id: 'id', text: 'body', dense: 'dense' }

async function fill(definition: string, rows: readonly (string | null)[] = texts): Promise<void> {
  await db.exec(`CREATE TABLE docs (id int PRIMARY KEY, body text, ${definition})`)
  for (const [i, text] of rows.entries()) {
    await db.query('INSERT INTO docs (id, body) VALUES ($1, $2)', [i, text])
  }
}

describe('loadTable', () => {
  it('fills vector, sparsevec, with indexes that find what brute force finds', async () => {
    await fill(`dense vector(64), sparse sparsevec(${VOCABULARY})`)
    const progress: LoadProgress[] = []
    const result = await loadTable(m3, db, {
      table: 'docs',
      columns: { ...columns, sparse: 'sparse' },
      index: { m: 8, efConstruction: 32 },
      onProgress: (step) => progress.push(step),
    })
    expect(result).toMatchObject({ rows: 150, failed: 0, failures: [], batches: 3 })
    expect(progress.at(-1)).toMatchObject({ done: 150, total: 150, failed: 0 })

    const plain = await m3.embed(texts, { outputs: { dense: true, sparse: true } })
    const { rows } = await db.query<{ dense: string; sparse: string }>(
      'SELECT dense::text, sparse::text FROM docs ORDER BY id',
    )
    plain.forEach(({ dense, sparse }, i) => {
      const stored = new Float32Array(JSON.parse(rows[i]?.dense as string))
      expect(stored).toEqual(dense)
      const [, list] = /^\{(.*)\}\/250002$/.exec(rows[i]?.sparse as string) ?? []
      const pairs = (list as string)
        .split(',')
        .filter(Boolean)
        .map((pair) => pair.split(':').map(Number))
      expect(pairs.map(([index]) => (index as number) - 1)).toEqual([...(sparse?.indices ?? [])])
      expect(new Float32Array(pairs.map(([, value]) => value as number))).toEqual(sparse?.values)
    })
    const { rows: indexes } = await db.query<{ indexdef: string }>(
      "SELECT indexdef FROM pg_indexes WHERE tablename = 'docs' AND indexdef LIKE '%hnsw%' ORDER BY 1",
    )
    expect(indexes.map(({ indexdef }) => indexdef)).toEqual([
      expect.stringMatching(
        /hnsw \(dense vector_cosine_ops\) WITH \(m='8', ef_construction='32'\)/,
      ),
      expect.stringMatching(/hnsw \(sparse sparsevec_ip_ops\)/),
    ])
    await db.exec('SET enable_seqscan = off')
    const query = `[${[...(plain[9]?.dense ?? [])]}]`
    const nearest = 'SELECT id FROM docs ORDER BY dense <=> $1::vector LIMIT 1'
    const plan = await db.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${nearest}`, [query])
    expect(JSON.stringify(plan.rows)).toContain('docs_dense_hnsw')
    expect((await db.query(nearest, [query])).rows).toEqual([{ id: 9 }])
    await db.exec('SET enable_seqscan = on')
  })

  it('fills halfvec, and does nothing the second time', async () => {
    await fill('dense halfvec(64)', texts.slice(0, 20))
    const options = { table: 'docs', columns, index: { distance: 'ip' as const } }
    expect(await loadTable(m3, db, options)).toMatchObject({ rows: 20 })
    expect(await loadTable(m3, db, options)).toMatchObject({ rows: 0, batches: 0, tokens: 0 })
    const { rows } = await db.query<{ dense: string }>('SELECT dense::text FROM docs WHERE id = 3')
    const { dense } = await m3.embed(texts[3] as string, { precision: 'float16' })
    expect(dense).toBeInstanceOf(Uint16Array)
    const plain = await m3.embed(texts[3] as string)
    JSON.parse(rows[0]?.dense as string).forEach((value: number, i: number) => {
      expect(Math.abs(value - (plain.dense?.[i] ?? 0))).toBeLessThan(1e-3)
    })
  })

  it('takes only rows without a vector, and cuts dimensions', async () => {
    await fill('dense vector(16)', texts.slice(0, 10))
    const kept = `[${Array(16).fill(0.25)}]`
    await db.query('UPDATE docs SET dense = $1::vector WHERE id < 4', [kept])
    expect(await loadTable(m3, db, { table: 'docs', columns, dimensions: 16 })).toMatchObject({
      rows: 6,
    })
    const { rows } = await db.query(
      'SELECT count(*)::int AS n FROM docs WHERE dense = $1::vector',
      [kept],
    )
    expect(rows).toEqual([{ n: 4 }])
  })

  it('keeps the largest weights of a sparse vector', async () => {
    await fill('sparse sparsevec', texts.slice(0, 5))
    const sparse = { id: 'id', text: 'body', sparse: 'sparse' }
    const result = await loadTable(m3, db, { table: 'docs', columns: sparse, sparseLimit: 3 })
    const all = await m3.embed(texts.slice(0, 5), { outputs: { sparse: true } })
    const cut = all.filter(({ sparse }) => (sparse?.indices.length ?? 0) > 3).length
    expect(cut).toBeGreaterThan(2)
    expect(result).toMatchObject({ rows: 5, sparseCut: cut })
    const { rows } = await db.query<{ sparse: string }>(
      'SELECT sparse::text FROM docs WHERE id = 0',
    )
    const { sparse: full } = await m3.embed(texts[0] as string, { outputs: { sparse: true } })
    const largest = [...(full?.values ?? [])].sort((a, b) => b - a).slice(0, 3)
    const stored = [...String(rows[0]?.sparse).matchAll(/:([\d.e-]+)/g)].map(([, v]) => Number(v))
    expect(new Float32Array(stored.sort((a, b) => b - a))).toEqual(new Float32Array(largest))
  })

  it('passes rows whose text fails, with their ids, and embeds the rest', async () => {
    await fill('dense vector(64), problem text', [
      'fine',
      'word '.repeat(9000),
      null,
      '',
      'fine again',
    ])
    const result = await loadTable(m3, db, { table: 'docs', columns, batchRows: 2 })
    expect(result).toMatchObject({
      rows: 3,
      failed: 1,
      failures: [{ id: '1', code: 'INPUT_TOO_LONG' }],
    })
    const withError = { ...columns, error: 'problem' }
    expect(await loadTable(m3, db, { table: 'docs', columns: withError })).toMatchObject({
      failed: 1,
    })
    // now that it is marked it is not tried again
    expect(await loadTable(m3, db, { table: 'docs', columns: withError })).toMatchObject({
      failed: 0,
    })
    const { rows } = await db.query('SELECT id, problem FROM docs WHERE problem IS NOT NULL')
    expect(rows).toEqual([{ id: 1, problem: 'INPUT_TOO_LONG' }])
  })

  it('stops on an abort, and goes on later', async () => {
    await fill('dense vector(64)')
    const controller = new AbortController()
    const reason = new Error('enough')
    const stopped = loadTable(m3, db, {
      table: 'docs',
      columns,
      batchRows: 10,
      signal: controller.signal,
      onProgress: ({ done }) => done >= 30 && controller.abort(reason),
    })
    await expect(stopped).rejects.toBe(reason)
    const { rows } = await db.query<{ n: number }>('SELECT count(dense)::int AS n FROM docs')
    const done = rows[0]?.n ?? 0
    expect(done).toBeGreaterThanOrEqual(30)
    expect(done).toBeLessThan(150)
    const rest = await loadTable(m3, db, { table: 'docs', columns })
    expect(rest.rows).toBe(150 - done)
  })
})

describe('what does not fit is said before any work', () => {
  const refusals: [string, string, Parameters<typeof loadTable>[2], RegExp][] = [
    ['no table', 'dense vector(64)', { table: 'nope', columns }, /no table "nope"/],
    [
      'no column',
      'dense vector(64)',
      { table: 'docs', columns: { ...columns, dense: 'nope' } },
      /no column "nope" for the dense vector/,
    ],
    [
      'dimensions',
      'dense vector(1024)',
      { table: 'docs', columns },
      /vector\(1024\).*64 dimensions/,
    ],
    ['a type', 'dense text', { table: 'docs', columns }, /is text, and dense vectors need/],
    [
      'a sparse type',
      'dense vector(64)',
      { table: 'docs', columns: { id: 'id', text: 'body', sparse: 'dense' } },
      /need sparsevec/,
    ],
    [
      'an index on an array',
      'dense float4[]',
      { table: 'docs', columns, index: true },
      /index needs a vector or halfvec/,
    ],
    [
      'index settings',
      'dense vector(64)',
      { table: 'docs', columns, index: { m: 40, efConstruction: 50 } },
      /twice `m`/,
    ],
    [
      'no vector column',
      'dense vector(64)',
      { table: 'docs', columns: { id: 'id', text: 'body' } },
      /Name a dense/,
    ],
    [
      'one column twice',
      'dense vector(64)',
      { table: 'docs', columns: { ...columns, text: 'id' } },
      /same name/,
    ],
    ['batchRows', 'dense vector(64)', { table: 'docs', columns, batchRows: 0 }, /batchRows/],
    [
      'a column that is no text',
      'dense vector(64), n int',
      { table: 'docs', columns: { ...columns, text: 'n' } },
      /texts must be text/,
    ],
  ]
  it.each(refusals)('%s', async (_, definition, options, message) => {
    await fill(definition, ['a'])
    await expect(loadTable(m3, db, options)).rejects.toThrow(message)
    await expect(loadTable(m3, db, options)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  it('ids that are not unique', async () => {
    await db.exec('CREATE TABLE docs (id int, body text, dense vector(64))')
    await db.exec("INSERT INTO docs VALUES (1, 'a', NULL), (1, 'b', NULL)")
    await expect(loadTable(m3, db, { table: 'docs', columns })).rejects.toThrow(/not unique/)
  })
})

it('quotes whatever names and texts hold', async () => {
  const evil = `x"; DROP TABLE docs; --'`
  const quote = (name: string) => `"${name.replaceAll('"', '""')}"`
  await db.exec(`DROP SCHEMA IF EXISTS ${quote(evil)} CASCADE; CREATE SCHEMA ${quote(evil)}`)
  const table = `${quote(evil)}.${quote(evil)}`
  await db.exec(
    `CREATE TABLE ${table} (${quote(`${evil} id`)} text PRIMARY KEY, ${quote(`${evil} t`)} text, ${quote(`${evil} v`)} vector(64))`,
  )
  const ids = [`'; DROP TABLE ${table}; --`, '', '日本語', 'a\\b\n\t"', '{1,2}', 'NULL', '$1']
  for (const id of ids) await db.query(`INSERT INTO ${table} VALUES ($1, $2)`, [id, `${id} text`])
  const result = await loadTable(m3, db, {
    table: { schema: evil, table: evil },
    columns: { id: `${evil} id`, text: `${evil} t`, dense: `${evil} v` },
    batchRows: 2,
    index: true,
  })
  expect(result).toMatchObject({ rows: ids.length, failed: 0 })
  const { rows } = await db.query<{ id: string; v: string }>(
    `SELECT ${quote(`${evil} id`)} AS id, ${quote(`${evil} v`)}::text AS v FROM ${table}`,
  )
  for (const { id, v } of rows) {
    const { dense } = await m3.embed(`${id} text`)
    expect(new Float32Array(JSON.parse(v))).toEqual(dense)
  }
  expect(rows).toHaveLength(ids.length)
})
