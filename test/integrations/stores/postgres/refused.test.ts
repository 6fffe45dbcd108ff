/** Rows that the database refuses: each alone, by id and SQLSTATE, and nothing of what they hold is ever said. */
import { PGlite } from '@electric-sql/pglite'
import { vector } from '@electric-sql/pglite-pgvector'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Embedder } from '../../../../lib/embedder/embedder.js'
import { loadTable, PostgresStore } from '../../../../lib/exports/postgres.js'
import { storeError } from '../../../../lib/integrations/stores/postgres/store-error.js'
import { tinyPath } from '../../../helpers/standins.js'

let m3: Embedder
let db: PGlite
beforeAll(async () => {
  m3 = await Embedder.load({ model: await tinyPath(), cache: false })
  db = await PGlite.create({ extensions: { vector } })
  await db.exec('CREATE EXTENSION vector')
})
afterAll(async () => {
  await m3.dispose()
  await db.close()
})
beforeEach(() => db.exec('DROP TABLE IF EXISTS docs CASCADE; DROP TABLE IF EXISTS other CASCADE'))

const CANARY = 'canary-7f3a'
const columns = { id: 'id', text: 'body', dense: 'dense' }

async function fill(rows: number, bad: ReadonlySet<number>, more = ''): Promise<void> {
  await db.exec(`CREATE TABLE docs (id int PRIMARY KEY, body text, dense vector(64)${more})`)
  const ids = Array.from({ length: rows }, (_, id) => id)
  const bodies = ids.map((id) => `${CANARY} ${bad.has(id) ? 'poison' : 'good'} row ${id}`)
  await db.query('INSERT INTO docs (id, body) SELECT * FROM unnest($1::int[], $2::text[])', [
    ids,
    bodies,
  ])
}

const filled = async () =>
  (await db.query<{ id: number }>('SELECT id FROM docs WHERE dense IS NOT NULL ORDER BY id')).rows

/** How a database refuses a poisoned row once it gets its vector, and what it then says. */
const trigger = (body: string) => `
  CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN IF NEW.body LIKE '%poison%' THEN ${body} END IF; RETURN NEW; END $$;
  CREATE TRIGGER refuse BEFORE UPDATE ON docs FOR EACH ROW EXECUTE FUNCTION refuse();`

const WAYS: [string, string, string][] = [
  [
    'a check',
    `ALTER TABLE docs ADD CONSTRAINT clean CHECK (dense IS NULL OR body NOT LIKE '%poison%')`,
    '23514',
  ],
  ['a message of a trigger', trigger(`RAISE EXCEPTION 'not %', NEW.body;`), 'P0001'],
  [
    'names that a trigger chooses',
    trigger(
      `RAISE EXCEPTION USING MESSAGE = NEW.body, DETAIL = NEW.body, HINT = NEW.body,
       CONSTRAINT = NEW.body, TABLE = NEW.body, COLUMN = NEW.body;`,
    ),
    'P0001',
  ],
  [
    'names and a code that a trigger chooses',
    trigger(
      `RAISE EXCEPTION USING ERRCODE = '23514', MESSAGE = NEW.body, CONSTRAINT = NEW.body, TABLE = NEW.body;`,
    ),
    '23514',
  ],
  ['a value of another type', trigger('PERFORM NEW.body::int;'), '22P02'],
  ['SQL that a trigger makes', trigger('PERFORM 1 / length(substr(NEW.body, 1, 0));'), '22012'],
  [
    'a key of another table',
    `CREATE TABLE other (body text PRIMARY KEY); ${trigger('INSERT INTO other VALUES (NEW.body), (NEW.body);')}`,
    '23505',
  ],
]

describe('a row that is refused costs the others nothing', () => {
  it.each(WAYS)('by %s', async (_, sql, sqlState) => {
    // at the beginning, side by side, in a batch of their own, at the end
    const bad = new Set([0, 1, 17, 32, 33, 34, 35, 36, 37, 38, 39, 99])
    await fill(100, bad, ', problem text')
    await db.exec(sql)
    const lines: string[] = []
    const log = (line: string) => lines.push(line)
    const logger = { info: log, warn: log, error: log, debug: log }
    const options = { table: 'docs', columns, batchRows: 8, index: true, logger }
    const result = await loadTable(m3, db, options)
    const batches = lines.map((line) => JSON.parse(line.replace('postgres: batch ', '')))
    const sum = (read: (batch: Record<string, number>) => number) =>
      batches.reduce((all, batch) => all + read(batch), 0)
    expect(sum(({ stored = 0 }) => stored)).toBe(100 - bad.size)
    expect(sum(({ tokens = 0 }) => tokens)).toBe(result.tokens)
    const failed = batches.reduce((all, batch) => all + (batch.failed[`STORE ${sqlState}`] ?? 0), 0)
    expect(failed).toBe(bad.size)
    lines.push(JSON.stringify(result))
    expect(result).toMatchObject({ rows: 100 - bad.size, failed: bad.size })
    const ids = result.failures.map(({ id }) => Number(id)).sort((a, b) => a - b)
    expect(ids).toEqual([...bad])
    for (const failure of result.failures)
      expect(failure).toMatchObject({ code: 'STORE', sqlState })
    const good = Array.from({ length: 100 }, (_, id) => ({ id })).filter(({ id }) => !bad.has(id))
    expect(await filled()).toEqual(good)
    const index = "SELECT 1 FROM pg_indexes WHERE tablename = 'docs' AND indexdef LIKE '%hnsw%'"
    expect((await db.query(index)).rows).toHaveLength(1)
    expect(lines.join()).not.toContain(CANARY)
  })

  it('and is marked where there is a column for it', async () => {
    await fill(10, new Set([3]), ', problem text')
    await db.exec(
      `ALTER TABLE docs ADD CONSTRAINT clean CHECK (dense IS NULL OR body NOT LIKE '%poison%')`,
    )
    const options = { table: 'docs', columns: { ...columns, error: 'problem' } }
    expect(await loadTable(m3, db, options)).toMatchObject({ rows: 9, failed: 1 })
    expect(await loadTable(m3, db, options)).toMatchObject({ rows: 0, failed: 0 })
    const { rows } = await db.query('SELECT id, problem FROM docs WHERE problem IS NOT NULL')
    expect(rows).toEqual([{ id: 3, problem: 'STORE 23514' }])
  })

  it('nor does one whose vector a trigger takes away keep the run from ending', async () => {
    await fill(10, new Set([3, 4]))
    await db.exec(trigger(`NEW.dense := NULL; IF NEW.id = 4 THEN RETURN NULL; END IF;`))
    const result = await loadTable(m3, db, { table: 'docs', columns })
    expect(result).toMatchObject({ rows: 8, failed: 2 })
    expect(result.failures.map(({ id }) => id).sort()).toEqual(['3', '4'])
  })

  it('a table that takes no row at all is told from bad rows', async () => {
    await fill(1000, new Set())
    await db.exec('ALTER TABLE docs ADD CONSTRAINT never CHECK (dense IS NULL)')
    const error = await loadTable(m3, db, { table: 'docs', columns, batchRows: 500 }).catch(
      (e) => e,
    )
    expect(error).toMatchObject({ code: 'STORE', sqlState: '23514' })
    expect(error.message).toBe('PostgreSQL refuses a row (23514, constraint never, table docs).')
  })
})

describe('no error of a store holds a text', () => {
  it.each(WAYS)('of one that fails by %s', async (_, sql, sqlState) => {
    await fill(0, new Set())
    await db.exec(sql.replaceAll('BEFORE UPDATE', 'BEFORE INSERT'))
    const store = await PostgresStore.open(db, { table: 'docs', columns, model: m3.info })
    await store.prepare()
    const text = `${CANARY} poison`
    const { items } = await m3.embedChunks([{ id: '1', text }])
    const [chunk] = items
    if (!chunk) throw new Error('no chunk')
    const error = await store.write([{ chunk, text }]).catch((e) => e)
    expect(error).toMatchObject({ code: 'STORE', sqlState, refused: true })
    const all = [error.message, error.stack, JSON.stringify(error), String(error.cause)].join()
    expect(all).not.toContain(CANARY)
  })

  // PostgreSQL's fields of an error, and what a driver may add
  const FIELDS = ['message', 'detail', 'hint', 'where', 'internalQuery', 'routine', 'dataType']
  const CODES = [
    ...['08006', '09000', '21000', '22001', '23505', '25P03', '27000', '38000', '40P01', '42501'],
    ...['42601', '42P01', '44000', '53100', '54000', '55P03', '57014', '57P01', '58030', 'P0001'],
    ...['XX000', 'F0000', undefined],
  ]
  it.each(CODES)('whatever the server says with %s', (code) => {
    const said = Object.fromEntries(FIELDS.map((name) => [name, `${CANARY} ${name}`]))
    const error = Object.assign(new Error(`${CANARY} message`), said, code && { code })
    const told = storeError(error)
    // class 08 comes before any row: its words are of the connection
    if (code !== '08006') {
      expect([told.message, told.stack, JSON.stringify(told)].join()).not.toContain(CANARY)
    }
    expect(told.cause).toBeUndefined()
    expect(told.code).toBe('STORE')
  })
})
