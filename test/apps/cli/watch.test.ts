/** `--stats` and `--metrics-port` of loaders and workers, against real servers. */
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RunRecord } from '../../../lib/apps/cli/shared/run-record.js'
import { tapped } from '../../../lib/apps/cli/shared/tapped.js'
import { PipelineServer } from '../../../lib/apps/server/pipeline.js'
import { EmbedderError } from '../../../lib/common/errors.js'
import { Embedder } from '../../../lib/embedder/embedder.js'
import { has } from '../../helpers/needs.mjs'
import { type PostgresServer, startPostgres } from '../../helpers/postgres-server.js'
import { startContractServer } from '../../helpers/qdrant-contract.js'
import { type RedisServer, startRedis } from '../../helpers/redis-server.js'
import { tinyPath } from '../../helpers/standins.js'
import { until } from '../../helpers/until.js'
import { cli, interruptible } from './run.js'

const CANARY = 'kanarienvogel'

let model: string
let folder: string
beforeAll(async () => {
  model = await tinyPath()
  folder = await mkdtemp(join(tmpdir(), 'bge-m3-watch-'))
})
afterAll(() => rm(folder, { recursive: true }))

const readRecord = async (file: string): Promise<RunRecord> =>
  JSON.parse(await readFile(file, 'utf8'))

/** The value of a metric with these labels; NaN where it is not there. */
function reading(metrics: string, name: string, labels = ''): number {
  const start = `${name}${labels && `{${labels}}`} `
  const line = metrics.split('\n').find((some) => some.startsWith(start))
  return line ? Number(line.slice(start.length)) : Number.NaN
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

const get = (port: number, path: string) =>
  fetch(`http://127.0.0.1:${port}${path}`).then(
    async (response) => ({ status: response.status, text: await response.text() }),
    () => ({ status: 0, text: '' }),
  )

describe('tapped', () => {
  it('hears every result once, and changes none', async () => {
    const embedder = await Embedder.load({ model })
    const heard: unknown[] = []
    const tap = tapped(embedder, (result) =>
      heard.push(result instanceof EmbedderError ? result.code : result.tokenCount),
    )
    const long = 'word '.repeat(9000)
    const outcome = await tap.embed(['a', long], { onError: 'collect' })
    expect(outcome[0]).toEqual({
      ...(await embedder.embed('a')),
      timings: expect.anything(),
      cached: false,
    })
    await expect(tap.embed(['b', long])).rejects.toMatchObject({ code: 'BATCH' })
    await expect(tap.embed(long)).rejects.toMatchObject({ code: 'INPUT_TOO_LONG' })
    const streamed = []
    for await (const item of tap.embedStream(['one', 'two'])) streamed.push(item.id)
    expect(streamed).toHaveLength(2)
    // what it does not listen to is the embedder's own, private members included
    expect(tap.info).toEqual(embedder.info)
    expect(await tap.countTokens('a')).toBe(3)
    const [ofA, failed, ...rest] = heard
    expect([ofA, failed]).toEqual([3, 'INPUT_TOO_LONG'])
    expect(rest.filter((one) => one === 'INPUT_TOO_LONG')).toHaveLength(2)
    // of the array that was refused before any inference
    expect(rest.filter((one) => one === 3)).toHaveLength(2)
    await tap.dispose()
    await expect(embedder.embed('x')).rejects.toMatchObject({ code: 'DISPOSED' })
  })
})

describe('PipelineServer', () => {
  it('answers local names only, and knows no other path or method', async () => {
    const left = async () => {
      throw new Error('the queue is away')
    }
    const pipeline = await PipelineServer.open({ host: '127.0.0.1', port: 0, env: {}, left })
    const ask = (options: { path: string; method?: string; host?: string }) =>
      new Promise<number | undefined>((resolve) => {
        const { path, method = 'GET', host = 'localhost' } = options
        const { port } = pipeline
        request({ host: '127.0.0.1', port, path, method, headers: { host } }, (response) => {
          response.resume()
          resolve(response.statusCode)
        }).end()
      })
    expect(await ask({ path: '/health' })).toBe(200)
    expect(await ask({ path: '/ready' })).toBe(503)
    expect(await ask({ path: '/metrics?name=x' })).toBe(200)
    expect(await ask({ path: '/metrics', method: 'HEAD' })).toBe(200)
    expect(await ask({ path: '/metrics', host: 'attacker.example' })).toBe(403)
    expect(await ask({ path: '/embed', method: 'POST' })).toBe(405)
    expect(await ask({ path: '/embed' })).toBe(404)
    expect(reading((await get(pipeline.port, '/metrics')).text, 'bge_m3_pipeline_left')).toBeNaN()
    pipeline.close()
    expect(await get(pipeline.port, '/health')).toMatchObject({ status: 0 })
  })

  it.each([
    [['--metrics-port', '70000'], {}, /integer from 0 to 65535/],
    [[], { BGE_M3_METRICS_PORT: 'many' }, /BGE_M3_METRICS_PORT must be a port/],
    [['--metrics-host', '192.0.2.1', '--metrics-port', '0'], {}, /192\.0\.2\.1:0 .*EADDRNOTAVAIL/],
  ])('refuses %j %j', async (args, env, message) => {
    const load = ['load', 'postgres', '--table', 'docs', '--text', 'body', '--dense-column', 'v']
    const { code, stderr } = await cli(
      [...load, '--model', model, '--url', 'postgres://x', ...args],
      {
        env,
      },
    )
    expect(code).toBe(2)
    expect(stderr).toMatch(message)
  })
})

it('records a load to Qdrant: skipped, failed by code, phases, tokens as its result', async () => {
  const server = await startContractServer()
  const input = join(folder, 'in.jsonl')
  const lines = [
    ...Array.from({ length: 20 }, (_, i) => ({ id: `t${i}`, text: `text number ${i}` })),
    { id: 'long', text: 'word '.repeat(9000) },
  ]
  await writeFile(input, lines.map((line) => JSON.stringify(line)).join('\n'))
  const stats = join(folder, 'qdrant.json')
  const args = ['load', 'qdrant', '-i', input, '--url', server.url, '--collection', 'docs']
  const run = () => cli([...args, '--stats', stats, '--json'], { env: { BGE_M3_MODEL: model } })
  const first = await run()
  expect(first.code, first.stderr).toBe(1)
  const { tokens } = JSON.parse(first.stdout)
  expect(await readRecord(stats)).toMatchObject({
    command: 'load qdrant',
    texts: 21,
    tokens,
    failures: 1,
    failuresByCode: { INPUT_TOO_LONG: 1 },
    skipped: 0,
    interrupted: false,
    loadMs: expect.any(Number),
    peakRssBytes: expect.any(Number),
    phases: { embedMs: expect.any(Number), writeMs: expect.any(Number) },
    model: { path: model },
  })
  await run()
  // nothing is embedded but what failed, which is last and in no batch
  expect(await readRecord(stats)).toMatchObject({ texts: 1, failures: 1, skipped: 20, tokens: 0 })
  await server.close()
})

it.each(['score', 'index', 'search'])('records %s', async (command) => {
  const docs = join(folder, 'docs')
  const store = join(folder, `${command}-store`)
  await writeFile(join(folder, 'a.txt'), 'The Rhine flows through Basel.')
  const env = { BGE_M3_MODEL: model }
  const index = ['index', folder, '--include', '*.txt', '--store', store]
  if (command === 'search') expect((await cli(index, { env })).code).toBe(0)
  const args = { score: ['score', 'a', 'b', 'c'], index, search: ['search', 'a', '--store', store] }
  const stats = join(folder, `${command}.json`)
  const { code, stderr } = await cli([...args[command as 'score'], '--stats', stats], { env })
  expect(code, stderr).toBe(0)
  const texts = { score: 3, index: 1, search: 1 }[command]
  expect(await readRecord(stats)).toMatchObject({ command, texts, failures: 0, interrupted: false })
  await rm(docs, { recursive: true, force: true })
})

it('refuses a record that cannot be written before the model is loaded', async () => {
  const stats = join(folder, 'missing', 'run.json')
  const { code, stderr } = await cli([
    'score',
    'a',
    'b',
    '--model',
    '/nowhere.gguf',
    '--stats',
    stats,
  ])
  expect(code).toBe(2)
  expect(stderr).toContain('ENOENT')
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

  it('a load that follows: counts, failures by code, memory, drift, and no text', async () => {
    await pool.query(
      `CREATE TABLE followed (id text PRIMARY KEY, body text, v float4[], error text,
         CONSTRAINT no_poison CHECK (v IS NULL OR body !~ 'poison'))`,
    )
    await pool.query(
      `INSERT INTO followed SELECT 'row' || i, $1 || i || CASE WHEN i % 10 = 0 THEN ' poison' ELSE '' END
       FROM generate_series(1, 100) AS i`,
      [CANARY],
    )
    const port = await freePort()
    const stats = join(folder, 'follow.json')
    const { signal, interrupt } = interruptible()
    const columns = ['--text', 'body', '--dense-column', 'v', '--error-column', 'error']
    const run = cli(
      [
        'load',
        'postgres',
        '--table',
        'followed',
        ...columns,
        '--follow',
        '--stats',
        stats,
        '--json',
      ],
      { env: { ...env, BGE_M3_METRICS_PORT: String(port) }, signal },
    )
    await until(async () => (await get(port, '/health')).status === 200)
    const metrics = () => get(port, '/metrics').then(({ text }) => text)
    await until(async () => reading(await metrics(), 'bge_m3_pipeline_texts_total') === 100)
    expect((await get(port, '/ready')).status).toBe(200)
    const text = await metrics()
    expect(reading(text, 'bge_m3_pipeline_stored_total')).toBe(90)
    expect(reading(text, 'bge_m3_pipeline_failures_total', 'code="STORE 23514"')).toBe(10)
    expect(reading(text, 'bge_m3_pipeline_left')).toBe(0)
    expect(reading(text, 'bge_m3_pipeline_phase_seconds_total', 'phase="embed"')).toBeGreaterThan(0)
    expect(reading(text, 'bge_m3_texts_total', 'cached="false"')).toBe(100)
    expect(reading(text, 'bge_m3_drift_similarity_count')).toBe(100)
    expect(reading(text, 'bge_m3_drift_reference_norm_ratio')).toBe(1)
    expect(reading(text, 'bge_m3_engine_batches_total')).toBeGreaterThan(0)
    expect(reading(text, 'bge_m3_memory_resident_bytes')).toBeGreaterThan(1e7)
    expect(reading(text, 'bge_m3_ready')).toBe(1)
    // of the server alone
    expect(text).not.toMatch(/bge_m3_(request|queue_|reranker)/)
    expect(text).not.toContain(CANARY)
    expect(text).not.toContain('row10')
    interrupt()
    const { code, stdout, stderr } = await run
    expect(code, stderr).toBe(1)
    expect((await get(port, '/health')).status).toBe(0)
    const { tokens } = JSON.parse(stdout)
    const record = await readFile(stats, 'utf8')
    expect(JSON.parse(record)).toMatchObject({
      command: 'load postgres',
      texts: 100,
      tokens,
      failuresByCode: { 'STORE 23514': 10 },
      phases: { claimMs: expect.any(Number), embedMs: expect.any(Number) },
    })
    expect(record).not.toContain(CANARY)
  })

  it('a worker: what is left of its queue', async () => {
    const texts = Array.from({ length: 30 }, (_, i) =>
      JSON.stringify({ id: `t${i}`, text: `${i}` }),
    )
    const add = [
      'queue',
      'add',
      '--queue',
      'watched',
      '--job-tokens',
      '20',
      '--input-format',
      'jsonl',
    ]
    expect((await cli(add, { env, stdin: texts.join('\n') })).code).toBe(0)
    const port = await freePort()
    const { signal, interrupt } = interruptible()
    const args = ['--table', 'watched', '--dense-column', 'v', '--dense-type', 'float4[]']
    const run = cli(['worker', '--queue', 'watched', ...args, '--metrics-port', String(port)], {
      env,
      signal,
    })
    const metrics = () => get(port, '/metrics').then(({ text }) => text)
    await until(async () => reading(await metrics(), 'bge_m3_pipeline_left') === 0)
    const text = await metrics()
    expect(reading(text, 'bge_m3_pipeline_stored_total')).toBe(30)
    expect(reading(text, 'bge_m3_pipeline_batches_total')).toBeGreaterThan(3)
    interrupt()
    const { code, stderr } = await run
    expect(code, stderr).toBe(0)
  })
})
