/**
 * What befalls a load that runs for weeks, in a minute: poisoned rows, workers that are killed, a server that
 * crashes, a network that swallows everything. 50,000 rows and 30 s without a network: BGE_M3_TEST_TIMES=10.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Embedder } from '../../../../../lib/embedder/embedder.js'
import { root } from '../../../../helpers/child.js'
import { has } from '../../../../helpers/needs.mjs'
import { type PostgresServer, startPostgres } from '../../../../helpers/postgres-server.js'
import { tinyPath } from '../../../../helpers/standins.js'
import { startProxy, type TcpProxy } from '../../../../helpers/tcp-proxy.js'
import { TIMES } from '../../../times.js'

const ROWS = 5000 * TIMES
const CUT_MS = Math.min(3000 * TIMES, 30_000)
const CANARY = 'canary-7f3a'
const isBad = (id: number) => id % 100 === 7
const textOf = (id: number) =>
  `${CANARY} ${isBad(id) ? 'poison' : 'row'} ${id}: ${'what is said here is said once '.repeat(1 + (id % 5))}`

describe.skipIf(!has('postgres'))('a load that runs for weeks', () => {
  let server: PostgresServer
  let proxy: TcpProxy
  let pool: pg.Pool
  let m3: Embedder
  let model: string
  beforeAll(async () => {
    server = await startPostgres()
    proxy = await startProxy(Number(new URL(server.url).port))
    pool = new pg.Pool({ connectionString: server.url })
    pool.on('error', () => {})
    model = await tinyPath()
    m3 = await Embedder.load({ model, cache: false })
  })
  afterAll(async () => {
    await m3?.dispose()
    await pool?.end()
    await proxy?.close()
    await server?.close()
  })

  /** Asked past the proxy, and again where the server restarts. */
  async function ask(sql: string, parameters: unknown[] = []) {
    for (;;) {
      try {
        return (await pool.query(sql, parameters)).rows
      } catch (error) {
        if (!/^(57P|08|E)/.test(String((error as { code?: string }).code ?? '08'))) throw error
        await sleep(50)
      }
    }
  }
  const done = async () => Number((await ask('SELECT count(dense) FROM docs'))[0].count)
  async function untilDone(share: number): Promise<void> {
    while ((await done()) < share * ROWS) {
      const ended = workers.filter(({ process }) => process.exitCode !== null)
      // said in the middle, for it would be waited for without end
      expect(ended.map(({ ended }) => wordsOf(ended))).toEqual([])
      await sleep(20)
    }
  }

  let workers: Worker[] = []
  interface Worker {
    process: ChildProcess
    ended: Ended
    end: Promise<Ended>
  }

  function startWorker(): Worker {
    const table = ['--table', 'docs', '--text', 'body', '--dense-column', 'dense']
    const options = ['--batch-rows', '32', '--threads', '1', '--stalled-after', '2', '--json']
    const worker = spawn(
      process.execPath,
      [join(root, 'dist/cli/main.js'), 'load', 'postgres', ...table, ...options],
      {
        env: {
          ...process.env,
          DATABASE_URL: server.url.replace(/:\d+\//, `:${proxy.port}/`),
          BGE_M3_MODEL: model,
          BGE_M3_LOG_LEVEL: 'debug',
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    const ended: Ended = { code: null, out: '', err: '' }
    worker.stdout.on('data', (part) => (ended.out += part))
    worker.stderr.on('data', (part) => (ended.err += part))
    const end = new Promise<Ended>((resolve) =>
      worker.once('close', (code) => resolve({ ...ended, code })),
    )
    return { process: worker, ended, end }
  }
  /** Without what llama.cpp says. */
  const wordsOf = (ended: Ended | undefined) => ended?.err.replace(/^.*(debug|info): .*\n/gm, '')
  interface Ended {
    code: number | null
    out: string
    err: string
  }

  it(`${ROWS} rows, 1 % poison: every good row once, every bad row listed`, {
    timeout: 3_600_000,
  }, async () => {
    await pool.query(`
      CREATE TABLE docs (id int PRIMARY KEY, body text, dense float4[], written int DEFAULT 0,
        CONSTRAINT clean CHECK (dense IS NULL OR body NOT LIKE '%poison%'));
      CREATE FUNCTION count_writes() RETURNS trigger AS
        'BEGIN NEW.written := OLD.written + 1; RETURN NEW; END' LANGUAGE plpgsql;
      CREATE TRIGGER count_writes BEFORE UPDATE OF dense ON docs
        FOR EACH ROW EXECUTE FUNCTION count_writes()`)
    const ids = Array.from({ length: ROWS }, (_, id) => id)
    await pool.query('INSERT INTO docs SELECT * FROM unnest($1::int[], $2::text[])', [
      ids,
      ids.map(textOf),
    ])
    workers = [startWorker(), startWorker(), startWorker()]
    await untilDone(1 / 8)
    workers[0]?.process.kill('SIGKILL')
    await untilDone(1 / 4)
    await server.restart()
    await untilDone(3 / 8)
    proxy.swallow()
    await sleep(CUT_MS)
    proxy.mend()
    await untilDone(1 / 2)
    workers[1]?.process.kill('SIGKILL')
    await untilDone(5 / 8)
    proxy.cut()
    await sleep(500)
    proxy.mend()
    const [first, second, survivor] = await Promise.all(workers.map(({ end }) => end))

    expect([first?.code, second?.code, survivor?.code], wordsOf(survivor)).toEqual([null, null, 1])
    const result = JSON.parse(survivor?.out ?? '')
    const bad = ids.filter(isBad)
    expect(result.failed).toBe(bad.length)
    const listed = result.failures.map(({ id }: { id: string }) => Number(id))
    expect(listed.sort((a: number, b: number) => a - b)).toEqual(bad.slice(0, 1000))
    for (const failure of result.failures) {
      expect(failure).toMatchObject({ code: 'STORE', sqlState: '23514' })
    }
    const rows = await ask('SELECT id, dense, written FROM docs ORDER BY id')
    const plain = await m3.embed(ids.map(textOf))
    let wrong = 0
    rows.forEach(({ id, dense, written }, i) => {
      const stored = new Float32Array(dense ?? [])
      const isSame = stored.length > 0 && stored.every((v, k) => v === plain[i]?.dense?.[k])
      const isRight = isBad(id) ? dense === null && written === 0 : isSame && written === 1
      if (!isRight) wrong++
    })
    expect([rows.length, wrong]).toEqual([ROWS, 0])
    const said = [first, second, survivor].map((worker) => `${worker?.out}${worker?.err}`).join()
    expect(said).not.toContain(CANARY)
    console.info(
      `weeks: ${ROWS} rows, the survivor wrote ${result.rows} in ${result.seconds.toFixed(1)} s, ` +
        `${result.retries} statements sent again`,
    )
  })
})
