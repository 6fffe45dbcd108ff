/** A table as a store, in PGlite with pgvector. */
import { PGlite } from '@electric-sql/pglite'
import { vector } from '@electric-sql/pglite-pgvector'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Embedder } from '../../../../lib/embedder/embedder.js'
import { PostgresStore, type PostgresStoreOptions } from '../../../../lib/exports/postgres.js'
import type { StoredChunk } from '../../../../lib/integrations/store.js'
import { storeError } from '../../../../lib/integrations/stores/postgres/store-error.js'
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

const columns = { id: 'id', text: 'body', dense: 'dense', sparse: 'sparse' }

async function open(options: Partial<PostgresStoreOptions> = {}): Promise<PostgresStore> {
  const store = await PostgresStore.open(db, { table: 'docs', columns, model: m3.info, ...options })
  await store.prepare()
  return store
}

async function chunksOf(
  texts: readonly { id: string; text: string; metadata?: Record<string, unknown> }[],
): Promise<StoredChunk[]> {
  const outputs = { dense: true, sparse: true }
  const { items, failures } = await m3.embedChunks([...texts], { outputs })
  expect(failures).toEqual([])
  return items.map((chunk, i) => ({ chunk, text: texts[i]?.text }))
}

const some = (count: number) => mixedTexts(count).map((text, i) => ({ id: `t${i}`, text }))

describe('PostgresStore', () => {
  it('creates a table and fills it', async () => {
    const all = { ...columns, metadata: 'about', model: 'made_by' }
    const store = await open({ columns: all })
    const texts = some(20).map((text, i) => ({ ...text, metadata: { page: i } }))
    const chunks = await chunksOf(texts)
    await store.write(chunks)
    const { rows } = await db.query<Record<string, unknown>>(
      'SELECT id, body, dense::text, sparse::text, about, made_by FROM docs ORDER BY substr(id, 2)::int',
    )
    expect(rows).toHaveLength(20)
    rows.forEach((row, i) => {
      const { embedding } = (chunks[i] as StoredChunk).chunk
      expect(row).toMatchObject({ id: `t${i}`, body: texts[i]?.text, about: { page: i } })
      expect(row.made_by).toBe(m3.info.fingerprint)
      expect(new Float32Array(JSON.parse(row.dense as string))).toEqual(embedding.dense)
      const [first] = embedding.sparse?.indices ?? []
      const start = first === undefined ? '{}' : `{${first + 1}:`
      expect(row.sparse).toMatch(/\}\/250002$/)
      expect((row.sparse as string).startsWith(start)).toBe(true)
    })
    await store.close()
    await store.close()
    expect(await db.query('SELECT 1')).toBeTruthy()
  })

  it('stores once what is written twice, and does not touch what is the same', async () => {
    const store = await open()
    const chunks = await chunksOf(some(6))
    await store.write(chunks)
    const versions = async () =>
      (await db.query<{ v: string }>('SELECT xmin::text AS v FROM docs ORDER BY id')).rows
    const before = await versions()
    await store.write(chunks)
    expect(await versions()).toEqual(before)
    const [changed] = await chunksOf([{ id: 't3', text: 'something else' }])
    await store.write([...chunks, changed as StoredChunk])
    const { rows } = await db.query("SELECT body FROM docs WHERE id = 't3'")
    expect(rows).toEqual([{ body: 'something else' }])
    const after = await versions()
    expect(after.filter(({ v }, i) => v !== before[i]?.v)).toHaveLength(1)
  })

  it('tells what is stored', async () => {
    const store = await open()
    await store.write(await chunksOf(some(3)))
    await db.exec("UPDATE docs SET sparse = NULL WHERE id = 't1'")
    expect(await store.stored(['t0', 't1', 't2', 't3', "'; DROP TABLE docs; --"])).toEqual(
      new Set(['t0', 't2']),
    )
    expect(await store.stored([])).toEqual(new Set())
    await store.write([])
  })

  it('writes to keys of other types, and refuses the ids that are none', async () => {
    await db.exec('CREATE TABLE docs (id bigint PRIMARY KEY, dense halfvec(64), n int DEFAULT 7)')
    const store = await open({ columns: { id: 'id', dense: 'dense' } })
    const [good, bad, same] = await chunksOf([
      { id: '12', text: 'one' },
      { id: 'twelve', text: 'two' },
      { id: '012', text: 'three' },
    ])
    await store.write([good as StoredChunk])
    await expect(store.write([good, bad] as StoredChunk[])).rejects.toMatchObject({
      name: 'StoreError',
      refused: true,
      transient: false,
    })
    // one key to PostgreSQL
    await expect(store.write([good, same] as StoredChunk[])).rejects.toMatchObject({
      refused: true,
    })
    expect(await store.stored(['12', 'twelve', '13', '99999999999999999999'])).toEqual(
      new Set(['12']),
    )
    const { rows } = await db.query('SELECT id::text, n FROM docs')
    expect(rows).toEqual([{ id: '12', n: 7 }])
  })

  it('takes ids and texts with every character but NUL, and shows no text', async () => {
    const names = { table: 'do"cs; DROP TABLE x', schema: 'public' }
    await db.exec('DROP TABLE IF EXISTS "do""cs; DROP TABLE x"')
    const odd = { id: 'i"d', text: "te'xt", dense: 'de;nse' }
    const store = await open({ table: names, columns: odd })
    const texts = [
      { id: "'; DROP TABLE docs; --", text: '$1 %s \\ \u{1f600}' },
      { id: '{a,"b"}\\', text: '{NULL,"x"}' },
      { id: 'NULL', text: 'NULL' },
      { id: ' ', text: '' },
    ]
    await store.write(await chunksOf(texts))
    const { rows } = await db.query(
      `SELECT "i""d" AS id, "te'xt" AS text FROM "do""cs; DROP TABLE x"`,
    )
    const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1)
    expect((rows as typeof texts).sort(byId)).toEqual([...texts].sort(byId))
    const secret = 'secret\u0000text'
    const refused = await store.write(await chunksOf([{ id: 'x', text: secret }])).catch((e) => e)
    expect(refused).toMatchObject({ code: 'STORE', refused: true })
    expect(refused.cause).toBeUndefined()
    expect(refused.message).not.toContain('secret')
  })

  it.each([
    [
      'a column that is missing',
      'id text PRIMARY KEY, body text, dense vector(64)',
      /no column "sparse"/,
    ],
    [
      'other dimensions',
      'id text PRIMARY KEY, body text, dense vector(32), sparse sparsevec',
      /vector\(32\), and this model gives 64/,
    ],
    [
      'a key that is not unique',
      'id text, body text, dense vector, sparse sparsevec',
      /not unique/,
    ],
    [
      'a column that nothing fills',
      'id text PRIMARY KEY, body text, dense vector, sparse sparsevec, owner text NOT NULL',
      /"owner".*must not be NULL/,
    ],
    [
      'a text that is none',
      'id text PRIMARY KEY, body int, dense vector, sparse sparsevec',
      /must be text/,
    ],
  ])('refuses %s before any work', async (_, definition, message) => {
    await db.exec(`CREATE TABLE docs (${definition})`)
    await expect(open()).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringMatching(message),
    })
  })

  it('refuses wrong options', async () => {
    const wrong = (options: Partial<PostgresStoreOptions>) =>
      PostgresStore.open(db, { table: 'docs', columns, model: m3.info, ...options })
    await expect(wrong({ columns: { id: 'id' } })).rejects.toThrow(/dense or a sparse/)
    await expect(wrong({ columns: { id: 'a', dense: 'a' } })).rejects.toThrow(/same name/)
    await expect(wrong({ columns: { id: '', dense: 'a' } })).rejects.toThrow(/NUL/)
    await expect(wrong({ sparseLimit: 0 })).rejects.toThrow(/sparseLimit/)
    const model = { ...m3.info, outputs: { dense: true, sparse: false, colbert: false } }
    await expect(wrong({ model })).rejects.toThrow(/no sparse head/)
    await expect((await wrong({})).write(await chunksOf(some(1)))).rejects.toThrow(/prepare/)
    await expect(open({ create: false })).rejects.toThrow(/There is no table/)
    await db.exec('CREATE TABLE docs (id text PRIMARY KEY, dense vector, about text)')
    const about = { id: 'id', dense: 'dense', metadata: 'about' }
    await expect(open({ columns: about })).rejects.toThrow(/json or jsonb/)
  })

  it('refuses chunks without the vectors that it keeps', async () => {
    const store = await open()
    const one = async (outputs: object) => {
      const { items } = await m3.embedChunks([{ id: 'a', text: 'b' }], outputs)
      return [{ chunk: items[0] }] as StoredChunk[]
    }
    await expect(store.write(await one({}))).rejects.toThrow(/sparse vectors/)
    const dense = { precision: 'float16', outputs: { dense: true, sparse: true } }
    await expect(store.write(await one(dense))).rejects.toThrow(/float32/)
  })

  it('several begin at once where there is no table', async () => {
    const stores = await Promise.all([open(), open(), open()])
    const chunks = await chunksOf(some(9))
    await Promise.all(stores.map((store) => store.write(chunks)))
    expect((await db.query('SELECT count(*)::int AS n FROM docs')).rows).toEqual([{ n: 9 }])
  })
})

describe('without pgvector', () => {
  it('says so, and keeps float4[] when told', async () => {
    const plain = await PGlite.create()
    const dense = { id: 'id', dense: 'dense' }
    const options = { table: 'docs', columns: dense, model: m3.info }
    const store = await PostgresStore.open(plain, options)
    await expect(store.prepare()).rejects.toThrow(/no type vector.*float4\[\]/)
    const arrays = await PostgresStore.open(plain, { ...options, denseType: 'float4[]' })
    await arrays.prepare()
    const chunks = await chunksOf([{ id: 'a', text: 'b' }])
    await arrays.write(chunks)
    const { rows } = await plain.query<{ dense: number[] }>('SELECT dense FROM docs')
    expect(new Float32Array(rows[0]?.dense ?? [])).toEqual(chunks[0]?.chunk.embedding.dense)
    await plain.close()
  })
})

describe('storeError', () => {
  it('keeps what may be shown', () => {
    const row = Object.assign(new Error('bad text in a trigger'), { code: 'P0001', detail: 'text' })
    expect(storeError(row).message).toBe('PostgreSQL refuses a row (P0001).')
    const check = Object.assign(new Error('new row'), {
      code: '23514',
      constraint: 'positive',
      routine: 'ExecConstraints',
    })
    expect(storeError(check)).toMatchObject({ refused: true })
    expect(storeError(check).message).toBe('PostgreSQL refuses a row (23514, constraint positive).')
    const gone = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
    expect(storeError(gone)).toMatchObject({ transient: true })
    expect(storeError(new Error('Connection terminated unexpectedly'))).toMatchObject({
      transient: true,
    })
    expect(storeError(new TypeError('a text')).message).toBe('PostgreSQL: TypeError')
    const url = Object.assign(new TypeError('Invalid URL'), { code: 'ERR_INVALID_URL' })
    expect(storeError(url)).toMatchObject({ code: 'INVALID_INPUT' })
  })
})
