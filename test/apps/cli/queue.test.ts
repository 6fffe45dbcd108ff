/** `queue add`, `status`, `retry`, `clear` and `worker`, against real servers. */
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { has } from '../../helpers/needs.mjs'
import { type PostgresServer, startPostgres } from '../../helpers/postgres-server.js'
import { startContractServer } from '../../helpers/qdrant-contract.js'
import { type RedisServer, startRedis } from '../../helpers/redis-server.js'
import { tinyPath } from '../../helpers/standins.js'
import { cli, interruptible, jsonLines } from './run.js'

let model: string
beforeAll(async () => {
  model = await tinyPath()
})

/** A table of its own for every test, so that any one of them can run alone. */
const workerOf = (table: string) => ['worker', '--table', table, '--dense-column', 'v']
const WORKER = [...workerOf('docs'), '--until-done']

describe('wrong usage', () => {
  it.each([
    [['worker', '--dense-column', 'v'], { DATABASE_URL: 'postgres://x' }, /--table/],
    [['worker', '--table', 'docs', '--dense-column', 'v'], {}, /DATABASE_URL/],
    [
      ['worker', '--table', 'docs'],
      { DATABASE_URL: 'postgres://x' },
      /--dense-column, --sparse-column/,
    ],
    [[...WORKER, '--concurrency', '0'], {}, /integer from 1 to 64/],
    [['worker', '--store', 'qdrant', '--collection', 'docs'], {}, /QDRANT_URL/],
    [['worker', '--store', 'qdrant'], { QDRANT_URL: 'http://x' }, /--collection/],
    [['queue', 'add', 'x', '--job-tokens', 'many'], {}, /integer from 1/],
    [['queue', 'status', '--redis', 'http://u:secret@x'], {}, /redis:\/\/HOST/],
    [['queue', 'status', '--queue', 'a:b'], {}, /name of a queue/],
    [['queue', 'what'], {}, /unknown command/],
  ])('%j', async (args, env, message) => {
    // an address where nobody is: none of these may get as far
    const REDIS_URL = 'redis://127.0.0.1:1'
    const { code, stdout, stderr } = await cli(args, { env: { REDIS_URL, ...env } })
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toMatch(message)
    expect(stderr).not.toContain('secret')
  })

  it('says that no Redis answers, with exit code 1 and no password', async () => {
    const env = {
      REDIS_URL: 'redis://me:secret@127.0.0.1:1',
      DATABASE_URL: 'postgres://127.0.0.1:1/x',
    }
    for (const args of [
      ['queue', 'status'],
      [...WORKER, '--model', model],
      ['queue', 'clear'],
    ]) {
      const { code, stdout, stderr } = await cli([...args, '--json'], { env })
      expect(code, stderr).toBe(1)
      expect(JSON.parse(stdout).error).toMatchObject({ code: 'QUEUE' })
      expect(stderr).toMatch(/Redis at 127\.0\.0\.1:1 cannot be used: ECONNREFUSED/)
      expect(stdout + stderr).not.toContain('secret')
    }
  })
})

describe.skipIf(!has('redis', 'postgres'))('with servers', () => {
  let redis: RedisServer
  let postgres: PostgresServer
  let pool: pg.Pool
  let env: Record<string, string>
  beforeAll(async () => {
    redis = await startRedis()
    postgres = await startPostgres()
    pool = new pg.Pool({ connectionString: postgres.url })
    pool.on('error', () => {})
    env = { REDIS_URL: redis.url, DATABASE_URL: postgres.url, BGE_M3_MODEL: model }
  })
  afterAll(async () => {
    await pool?.end()
    await postgres?.close()
    await redis?.close()
  })
  const run = (...args: string[]) => cli(args, { env })

  const input = `${[
    '{"id": "a", "text": "one", "title": "first"}',
    '{"_id": 7, "text": ""}',
    'not json',
    '{"id": "a", "text": "a private text"}',
    `{"id": "long", "text": "${'private '.repeat(9000)}"}`,
  ].join('\n')}\n`

  it('from input to rows, and what failed', async () => {
    const add = ['queue', 'add', '--input-format', 'jsonl']
    const added = await cli(add, { env, stdin: input })
    expect(added.code).toBe(1)
    expect(added.stdout).toMatch(/^3 texts, \d+ tokens in 2 jobs; 2 failed\n$/)
    expect(added.stderr).toContain('text 2: INVALID_INPUT')
    const again = await cli([...add, '--json'], { env, stdin: input })
    expect(JSON.parse(again.stdout)).toMatchObject({ items: 3, jobs: 2, newJobs: 0, failed: 2 })

    const waiting = await run('queue', 'status')
    expect(waiting.stdout).toMatch(/texts +0 of 5 stored, 2 failed, 3 left/)
    expect(waiting.stdout).toMatch(/left +time left unknown/)

    const refused = await run(...WORKER, '--text-column', 'body')
    expect(refused.code).toBe(2)
    expect(refused.stderr).toMatch(/no type vector/)
    const worker = await run(...WORKER, '--text-column', 'body', '--dense-type', 'float4[]')
    expect(worker.code, worker.stderr).toBe(1)
    expect(worker.stdout).toMatch(/^2 texts, \d+ tokens, 2 jobs in \d+\.\d s; 1 failed\n$/)
    const { rows } = await pool.query('SELECT id, body, cardinality(v) AS n FROM docs ORDER BY id')
    expect(rows).toEqual([
      { id: '7', body: '', n: 64 },
      { id: 'a', body: 'first one', n: 64 },
    ])

    const status = await run('queue', 'status', '--failures')
    expect(status.code).toBe(1)
    expect(status.stdout).toMatch(/texts +2 of 5 stored, 3 failed, 0 left/)
    expect(status.stdout).toContain('text long: INPUT_TOO_LONG')
    expect(status.stdout).not.toContain('private')
    const lines = jsonLines((await run('queue', 'status', '--failures', '--json')).stdout)
    expect(lines[0]).toMatchObject({ items: { total: 5, done: 2, failed: 3 }, eta: 0 })
    expect(
      lines
        .slice(1)
        .map(({ failure }) => failure.code)
        .sort(),
    ).toEqual(['INPUT_TOO_LONG', 'INVALID_INPUT', 'INVALID_INPUT'])

    expect((await run('queue', 'retry')).stdout).toBe('0 jobs again\n')
    expect((await run('queue', 'clear', '--json')).stdout).toBe('{"cleared":true}\n')
    const empty = await run('queue', 'status', '--json')
    expect(JSON.parse(empty.stdout)).toMatchObject({ items: { total: 0 }, model: null })
  })

  it('watches until everything is done', async () => {
    const texts = Array.from({ length: 300 }, (_, i) => `line ${i}`).join('\n')
    await cli(['queue', 'add', '--job-tokens', '200', '--queue', 'w'], { env, stdin: texts })
    const watching = run('queue', 'status', '--watch', '--json', '--queue', 'w')
    const shown = cli(['queue', 'status', '--watch', '--queue', 'w'], {
      env,
      tty: { stdout: true },
    })
    await run(...workerOf('watched'), '--until-done', '--queue', 'w', '--dense-type', 'float4[]')
    const lines = jsonLines((await watching).stdout)
    expect(lines[0]).toMatchObject({ items: { total: 300, left: expect.any(Number) } })
    expect(lines.at(-1)).toMatchObject({ items: { done: 300, left: 0 }, producing: false })
    const { stdout, code } = await shown
    expect(code).toBe(0)
    expect(stdout).toMatch(/300 of 300 texts \(100\.0 %\), .* done\n$/)
  })

  it('a watch and a worker end on Ctrl-C', async () => {
    const { signal, interrupt } = interruptible()
    const watch = cli(['queue', 'status', '--watch', '--queue', 'none'], {
      env,
      signal,
      onStdout: (text) => {
        if (text.includes('0 of 0')) interrupt()
      },
    })
    expect((await watch).code).toBe(130)
    await cli(['queue', 'add', '--queue', 'idle'], { env, stdin: 'one text' })
    const stop = interruptible()
    const worker = cli(
      [...workerOf('stopped'), '--dense-type', 'float4[]', '--queue', 'idle', '--json'],
      { env, signal: stop.signal },
    )
    for (;;) {
      const { stdout } = await run('queue', 'status', '--queue', 'idle', '--json')
      if (JSON.parse(stdout).items.done === 1) break
    }
    stop.interrupt()
    const ended = await worker
    expect(ended.code, ended.stderr).toBe(0)
    expect(JSON.parse(ended.stdout)).toMatchObject({ jobs: 1, items: 1, givenBack: 0 })
  })

  it('refuses a table that does not fit, before any work', async () => {
    await pool.query('CREATE TABLE wrong (id text PRIMARY KEY, v float4[], owner text NOT NULL)')
    await cli(['queue', 'add', '--queue', 'x'], { env, stdin: 'one text' })
    const { code, stderr } = await run(...workerOf('wrong'), '--queue', 'x')
    expect(code).toBe(2)
    expect(stderr).toMatch(/"owner" of table "wrong" must not be NULL/)
    const { stdout } = await run('queue', 'status', '--queue', 'x', '--json')
    expect(JSON.parse(stdout)).toMatchObject({ jobs: { waiting: 1, active: 0 } })
  })

  it('to Qdrant', async () => {
    const qdrant = await startContractServer()
    try {
      await cli(['queue', 'add', '--queue', 'q'], { env, stdin: 'one\ntwo\nthree' })
      const args = ['worker', '--store', 'qdrant', '--collection', 'docs', '--dense', '--sparse']
      const { code, stdout, stderr } = await cli(
        [...args, '--queue', 'q', '--until-done', '--json'],
        {
          env: { ...env, QDRANT_URL: qdrant.url },
        },
      )
      expect(code, stderr).toBe(0)
      expect(JSON.parse(stdout)).toMatchObject({ jobs: 1, items: 3, failed: 0 })
      expect([...qdrant.byId('docs').keys()].sort()).toEqual(['0', '1', '2'])
      expect(qdrant.violations).toEqual([])
    } finally {
      await qdrant.close()
    }
  })

  it('rows that the table will not take are listed', async () => {
    await pool.query(
      'CREATE TABLE strict (id text PRIMARY KEY, v float4[], CHECK (cardinality(v) = 3))',
    )
    await cli(['queue', 'add', '--queue', 's', '--attempts', '1'], { env, stdin: 'one\ntwo' })
    await run(...workerOf('strict'), '--queue', 's', '--until-done')
    const { stdout } = await run('queue', 'status', '--queue', 's', '--failures')
    expect(stdout).toMatch(/texts +0 of 2 stored, 2 failed, 0 left/)
    expect(stdout.match(/text \w+: STORE.*23514.*constraint/g)).toHaveLength(2)
    expect(stdout).not.toMatch(/\b(one|two)\b/)
    // the job is done: the same rows would be refused again
    expect((await run('queue', 'retry', '--queue', 's')).stdout).toBe('0 jobs again\n')
  })
})
