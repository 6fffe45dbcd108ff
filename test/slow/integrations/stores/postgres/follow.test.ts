/**
 * `load postgres --follow` over a table that changes all the time, and its memory. Two hours:
 * BGE_M3_TEST_MINUTES=120 npx vitest run --project slow test/slow/integrations/stores/postgres/follow.test.ts
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { root } from '../../../../helpers/child.js'
import { has } from '../../../../helpers/needs.mjs'
import { type PostgresServer, startPostgres } from '../../../../helpers/postgres-server.js'
import { tinyPath } from '../../../../helpers/standins.js'
import { until } from '../../../../helpers/until.js'

const MINUTES = Number(process.env.BGE_M3_TEST_MINUTES || 0.5)
/** Until pools, caches and heap have their size; in half a minute they hardly have. */
const WARM_SHARE = 0.3
const MOST_GROWTH = MINUTES < 5 ? 1.5 : 1.15
const CANARY = 'canary-51ce'
/** Older rows go, so that the table stays as large as it is. */
const KEPT = 2000

describe.skipIf(!has('postgres'))('following for long', () => {
  let server: PostgresServer
  let pool: pg.Pool
  beforeAll(async () => {
    server = await startPostgres()
    pool = new pg.Pool({ connectionString: server.url })
    await pool.query(`CREATE TABLE docs (id bigint PRIMARY KEY, body text, dense float4[], problem text,
      CONSTRAINT clean CHECK (dense IS NULL OR body NOT LIKE '%poison%'))`)
  })
  afterAll(async () => {
    await pool?.end()
    await server?.close()
  })

  it(`${MINUTES} minutes: every row, and the memory of the beginning`, {
    timeout: 60_000 * (MINUTES + 10),
  }, async () => {
    const table = ['--table', 'docs', '--text', 'body', '--dense-column', 'dense']
    const options = ['--error-column', 'problem', '--threads', '1', '--log-level', 'info', '--json']
    const command = ['load', 'postgres', ...table, ...options, '--follow', '--triggers']
    const loader = spawn(process.execPath, [join(root, 'dist/cli/main.js'), ...command], {
      env: { ...process.env, DATABASE_URL: server.url, BGE_M3_MODEL: await tinyPath() },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let out = ''
    let isQuiet = true
    const memory: { minutes: number; rssBytes: number }[] = []
    const from = performance.now()
    const minutes = () => (performance.now() - from) / 60_000
    loader.stdout.on('data', (part) => (out += part))
    loader.stderr.on('data', (part) => {
      if (String(part).includes(CANARY)) isQuiet = false
      for (const [, bytes] of String(part).matchAll(/"rssBytes":(\d+)/g)) {
        memory.push({ minutes: minutes(), rssBytes: Number(bytes) })
      }
    })
    let id = 0
    while (minutes() < MINUTES) {
      await pool.query(
        `INSERT INTO docs SELECT i, $3 || ' ' || i || CASE WHEN i % 100 = 7 THEN ' poison' ELSE '' END
         FROM generate_series($1::bigint, $2::bigint) AS i`,
        [id, id + 39, CANARY],
      )
      id += 40
      await pool.query(`UPDATE docs SET body = body || ' more' WHERE id IN ($1, $2)`, [
        id - 50,
        id - 20,
      ])
      await pool.query('DELETE FROM docs WHERE id < $1', [id - KEPT])
      await sleep(100)
      expect(loader.exitCode, out).toBe(null)
    }
    const open = 'SELECT 1 FROM docs WHERE dense IS NULL AND problem IS NULL'
    await until(async () => (await pool.query(open)).rows.length === 0)
    loader.kill('SIGTERM')
    const [code] = await once(loader, 'close')

    expect([code, isQuiet]).toEqual([1, true])
    const wrong = `SELECT id, problem FROM docs
      WHERE (body LIKE '%poison%') <> (problem IS NOT DISTINCT FROM 'STORE 23514')`
    expect((await pool.query(wrong)).rows).toEqual([])
    const { rows, failed } = JSON.parse(out)
    expect(failed).toBeGreaterThan(0)
    const most = (some: typeof memory) => Math.max(...some.map(({ rssBytes }) => rssBytes))
    const warm = memory.filter(({ minutes }) => minutes < WARM_SHARE * MINUTES)
    const later = memory.filter(({ minutes }) => minutes >= WARM_SHARE * MINUTES)
    const step = Math.max(1, Math.floor(memory.length / 8))
    const course = memory
      .filter((_, i) => i % step === 0)
      .map((at) => `${at.minutes.toFixed(1)} min ${(at.rssBytes / 2 ** 20).toFixed(0)} MiB`)
    console.info(`follow: ${rows} rows, ${failed} refused; resident: ${course.join(', ')}`)
    expect(most(later)).toBeLessThan(MOST_GROWTH * most(warm))
  })
})
