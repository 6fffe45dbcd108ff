/** One column, one model; one index for one purpose. */
import { PGlite } from '@electric-sql/pglite'
import { vector } from '@electric-sql/pglite-pgvector'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Embedder } from '../../../../lib/embedder/embedder.js'
import { loadTable, PostgresStore } from '../../../../lib/exports/postgres.js'
import { standinPath } from '../../../helpers/standins.js'

let one: Embedder
let two: Embedder
let db: PGlite
beforeAll(async () => {
  one = await Embedder.load({ model: await standinPath({ size: 'tiny' }), cache: false })
  two = await Embedder.load({ model: await standinPath({ size: 'tiny', seed: 2 }), cache: false })
  db = await PGlite.create({ extensions: { vector } })
  await db.exec('CREATE EXTENSION vector')
})
afterAll(async () => {
  await one.dispose()
  await two.dispose()
  await db.close()
})
beforeEach(async () => {
  await db.exec('DROP TABLE IF EXISTS docs, renamed')
  await db.exec('CREATE TABLE docs (id int PRIMARY KEY, body text, dense vector(64))')
  await add(0, 10)
})

const columns = { id: 'id', text: 'body', dense: 'dense' }
const options = { table: 'docs', columns }
const add = (from: number, to: number, table = 'docs') =>
  db.query(
    `INSERT INTO ${table} (id, body) SELECT i, 'row ' || i FROM generate_series($1::int, $2::int - 1) i`,
    [from, to],
  )
const empty = () => db.exec('UPDATE docs SET dense = NULL')

describe('a column of one model', () => {
  it('is not filled by another, by no way in', async () => {
    expect(await loadTable(one, db, options)).toMatchObject({ rows: 10 })
    await add(10, 12)
    const refused = { code: 'INVALID_INPUT', message: expect.stringMatching(/another model/) }
    await expect(loadTable(two, db, options)).rejects.toMatchObject(refused)
    const store = await PostgresStore.open(db, { ...options, model: two.info })
    await expect(store.prepare()).rejects.toMatchObject(refused)
    const { rows } = await db.query('SELECT count(dense)::int AS n FROM docs')
    expect(rows).toEqual([{ n: 10 }])
    expect(await loadTable(one, db, options)).toMatchObject({ rows: 2 })
  })

  it('is another one after a rename, and the same by another way', async () => {
    await loadTable(one, db, options)
    await db.exec('ALTER TABLE docs RENAME TO renamed')
    await add(10, 12, 'renamed')
    const renamed = { ...options, table: 'renamed' }
    await expect(loadTable(two, db, renamed)).rejects.toThrow(/another model/)
    const store = await PostgresStore.open(db, { ...renamed, model: one.info })
    await store.prepare()
    expect(await loadTable(one, db, renamed)).toMatchObject({ rows: 2 })
  })

  it('is anybody’s once it is empty, or another table has the name', async () => {
    await loadTable(one, db, options)
    await empty()
    expect(await loadTable(two, db, options)).toMatchObject({ rows: 10 })
    await db.exec(
      'DROP TABLE docs; CREATE TABLE docs (id int PRIMARY KEY, body text, dense vector(64))',
    )
    await add(0, 3)
    expect(await loadTable(one, db, options)).toMatchObject({ rows: 3 })
  })

  it('is taken by force, and then it is the other one’s', async () => {
    await loadTable(one, db, options)
    await add(10, 12)
    expect(await loadTable(two, db, { ...options, force: true })).toMatchObject({ rows: 2 })
    await expect(loadTable(one, db, options)).rejects.toThrow(/another model/)
  })

  it('is taken from one who is at work, and not a row comes after that', async () => {
    await add(10, 400)
    let taking: Promise<unknown> | undefined
    const losing = loadTable(one, db, {
      ...options,
      batchRows: 10,
      onProgress: ({ done }) => {
        if (done < 50) return
        taking ??= loadTable(two, db, { ...options, force: true })
      },
    }).catch((error) => error)
    const error = await losing
    await taking
    expect(error).toMatchObject({ code: 'INVALID_INPUT' })
    expect(error.message).toMatch(/another model has taken/i)
    const { rows } = await db.query<{ id: number; dense: string }>(
      'SELECT id, dense::text FROM docs ORDER BY id',
    )
    const texts = rows.map(({ id }) => `row ${id}`)
    const [ones, twos] = [await one.embed(texts), await two.embed(texts)]
    const makers = rows.map(({ dense }, i) => {
      const stored = new Float32Array(JSON.parse(dense))
      const is = (other: Float32Array | undefined) => stored.every((v, k) => v === other?.[k])
      return is(ones[i]?.dense) ? 'one' : is(twos[i]?.dense) ? 'two' : 'nobody'
    })
    expect(makers).not.toContain('nobody')
    // batches went in key order: what came after the taking is the other's, but for two batches under way
    expect(makers.filter((maker) => maker === 'one').length).toBeLessThan(400)
    expect(makers.slice(100)).toEqual(Array(300).fill('two'))
  })

  it('is not begun by two models at a time', async () => {
    await add(10, 200)
    const ends = await Promise.allSettled([
      loadTable(one, db, { ...options, batchRows: 16 }),
      loadTable(two, db, { ...options, batchRows: 16 }),
    ])
    expect(ends.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    const won = ends[0]?.status === 'fulfilled' ? one : two
    const { rows } = await db.query<{ id: number; dense: string }>(
      'SELECT id, dense::text FROM docs ORDER BY id',
    )
    const plain = await won.embed(rows.map(({ id }) => `row ${id}`))
    rows.forEach(({ dense }, i) => {
      expect(new Float32Array(JSON.parse(dense))).toEqual(plain[i]?.dense)
    })
  })
})

describe('an index', () => {
  const indexes = async () =>
    (
      await db.query<{ indexname: string }>(
        "SELECT indexname FROM pg_indexes WHERE tablename = 'docs' AND indexdef LIKE '%hnsw%' ORDER BY 1",
      )
    ).rows.map(({ indexname }) => indexname)

  it('that serves the column and its operators is enough, whatever its name', async () => {
    await db.exec('CREATE INDEX mine ON docs USING hnsw (dense vector_cosine_ops) WITH (m = 8)')
    await loadTable(one, db, { ...options, index: true })
    expect(await indexes()).toEqual(['mine'])
  })

  it.each([
    ['of other operators', 'CREATE INDEX docs_dense_hnsw ON docs USING hnsw (dense vector_l2_ops)'],
    [
      'of a part of the rows',
      'CREATE INDEX docs_dense_hnsw ON docs USING hnsw (dense vector_cosine_ops) WHERE id > 5',
    ],
    [
      'of an expression',
      'CREATE INDEX docs_dense_hnsw ON docs USING hnsw ((dense::halfvec(64)) halfvec_cosine_ops)',
    ],
    ['of another kind', 'CREATE INDEX docs_dense_hnsw ON docs (body)'],
  ])('%s does not serve, even if it has the name', async (_, sql) => {
    await db.exec(sql)
    await loadTable(one, db, { ...options, index: true })
    await loadTable(one, db, { ...options, index: true })
    expect(await indexes()).toContain('docs_dense_vector_cosine_ops_hnsw')
    await db.exec('SET enable_seqscan = off')
    const plan = await db.query(
      `EXPLAIN SELECT id FROM docs ORDER BY dense <=> '[${Array(64).fill(1)}]'::vector LIMIT 1`,
    )
    await db.exec('SET enable_seqscan = on')
    expect(JSON.stringify(plan.rows)).toContain('docs_dense_vector_cosine_ops_hnsw')
    expect((await indexes()).length).toBeLessThan(3)
  })
})
