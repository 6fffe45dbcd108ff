import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { has } from '../../helpers/needs.mjs'
import { type PostgresServer, startPostgres } from '../../helpers/postgres-server.js'
import { tinyPath } from '../../helpers/standins.js'
import { cli } from './run.js'

let model: string
beforeAll(async () => {
  model = await tinyPath()
})

const load = (args: string[], url?: string) =>
  cli(['load', 'postgres', '--model', model, ...args], {
    env: url === undefined ? {} : { DATABASE_URL: url },
  })
const TABLE = ['--table', 'docs', '--text', 'body']

describe('load postgres', () => {
  it.each([
    [[...TABLE, '--dense-column', 'v'], /DATABASE_URL/],
    [[...TABLE, '--url', 'postgres://x'], /--dense-column, --sparse-column/],
    [['--text', 'body'], /--table/],
    [[...TABLE, '--url', 'x', '--dense-column', 'v', '--batch-rows', 'many'], /--batch-rows/],
    [[...TABLE, '--url', 'x', '--dense-column', 'v', '--m', '8'], /settings of --index/],
    [
      [...TABLE, '--url', 'x', '--dense-column', 'v', '--index', '--distance', 'far'],
      /cosine, ip or l2/,
    ],
  ])('refuses wrong usage %#', async (args, message) => {
    const { code, stdout, stderr } = await load(args)
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toMatch(message)
  })

  it('says that nobody answers, and no password', async () => {
    const url = 'postgres://user:secret@127.0.0.1:1/nothing'
    const { code, stderr } = await load([...TABLE, '--dense-column', 'v'], url)
    expect(code).toBe(1)
    expect(stderr).toMatch(/PostgreSQL: .*ECONNREFUSED/)
    expect(stderr).not.toContain('secret')
  })

  describe.skipIf(!has('postgres'))('with a server', () => {
    let server: PostgresServer
    let pool: pg.Pool
    beforeAll(async () => {
      server = await startPostgres()
      pool = new pg.Pool({ connectionString: server.url })
      pool.on('error', () => {})
      await pool.query('CREATE TABLE docs (id text PRIMARY KEY, body text, v float4[])')
    })
    beforeEach(async () => {
      await pool.query('TRUNCATE docs')
      await pool.query(
        `INSERT INTO docs VALUES ('a', 'one'), ('b', repeat('word ', 9000)), ('c', 'two')`,
      )
    })
    afterAll(async () => {
      await pool.end()
      await server.close()
    })

    it('fills a table, names rows that failed, and exits with 1', async () => {
      const { code, stdout, stderr } = await load([...TABLE, '--dense-column', 'v'], server.url)
      expect(code).toBe(1)
      expect(stdout).toMatch(/^2 rows, \d+ tokens in \d+\.\d s; 1 failed\n$/)
      expect(stderr).toContain('row b: INPUT_TOO_LONG')
      const { rows } = await pool.query('SELECT id FROM docs WHERE v IS NOT NULL ORDER BY id')
      expect(rows).toEqual([{ id: 'a' }, { id: 'c' }])
    })

    it('cuts what is too long when told to, and prints JSON', async () => {
      await pool.query(`DELETE FROM docs WHERE id <> 'b'`)
      const { code, stdout } = await load(
        [...TABLE, '--dense-column', 'v', '--truncate', '--json'],
        server.url,
      )
      expect(code).toBe(0)
      expect(JSON.parse(stdout)).toMatchObject({ rows: 1, tokens: 8192, failed: 0 })
    })

    it('refuses a table that does not fit with exit code 2', async () => {
      const { code, stderr } = await load([...TABLE, '--dense-column', 'v', '--index'], server.url)
      expect(code).toBe(2)
      expect(stderr).toMatch(/HNSW/)
    })
  })
})
