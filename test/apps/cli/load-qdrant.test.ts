import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type ContractServer, startContractServer } from '../../helpers/qdrant-contract.js'
import { tinyPath } from '../../helpers/standins.js'
import { killedAndResumed } from './killed-qdrant.js'
import { type CliOptions, cli, interruptible } from './run.js'

const KEY = 'k-3f9a0c-very-secret'

let model: string
let folder: string
let server: ContractServer
beforeAll(async () => {
  model = await tinyPath()
  folder = await mkdtemp(join(tmpdir(), 'qdrant-cli-'))
})
afterAll(() => rm(folder, { recursive: true }))
beforeEach(async () => {
  server = await startContractServer({ apiKey: KEY })
})
afterEach(async () => {
  expect(server.violations).toEqual([])
  await server.close()
})

const env = () => ({ QDRANT_URL: server.url, QDRANT_API_KEY: KEY, BGE_M3_MODEL: model })
const load = async (args: string[], options: CliOptions = {}) => {
  const result = await cli(['load', 'qdrant', ...args], { env: env(), ...options })
  expect(result.stdout + result.stderr).not.toContain(KEY)
  return result
}
const jsonl = (items: unknown[]) => items.map((item) => `${JSON.stringify(item)}\n`).join('')
const DOCS = ['--collection', 'docs']

describe('load qdrant', () => {
  it.each([
    [[], {}, /--collection/],
    [DOCS, {}, /--url URL, or QDRANT_URL/],
    [[...DOCS, '--url', 'localhost'], {}, /no URL/],
    [[...DOCS, '--url', 'http://u:secret@x'], {}, /user or password/],
    [[...DOCS, '--url', 'http://x', '--batch-points', 'many'], {}, /--batch-points/],
    [[...DOCS, '--url', 'http://x', '--max-request-bytes', '1'], {}, /maxRequestBytes/],
    [[...DOCS, '--url', 'http://x', '-i', '/nowhere/x.jsonl'], {}, /There is no file/],
    [[...DOCS, '--url', 'http://x'], { QDRANT_API_KEY: 'two secret words' }, /API key/],
  ])('refuses wrong usage %#', async (args, more, message) => {
    const { code, stdout, stderr } = await load(args, {
      env: { BGE_M3_MODEL: model, ...more },
      stdin: 'a text\n',
    })
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toMatch(message)
    expect(stderr).not.toMatch(/secret/)
  })

  it('fills a collection with all three from standard input', async () => {
    const stdin = jsonl([
      { _id: 'a', title: 'On rivers', text: 'The Rhine flows through Basel.' },
      { id: 7, text: 'Bread is baked in an oven.' },
      { text: '' },
    ])
    const args = [...DOCS, '--dense', '--sparse', '--colbert', '--json']
    const { code, stdout, stderr } = await load(args, { stdin })
    expect(code, stderr).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ points: 3, skipped: 0, failed: 0, failures: [] })
    const points = server.byId('docs')
    expect([...points.keys()].sort()).toEqual(['2', '7', 'a'])
    expect(points.get('a')?.payload.text).toBe('On rivers The Rhine flows through Basel.')
    expect(points.get('a')?.multi.get('colbert')?.length).toBeGreaterThan(3)
    expect(stderr).toMatch(/stand-in/)
  })

  it('prints a line for people, and names what failed', async () => {
    const file = join(folder, 'some.jsonl')
    await writeFile(
      file,
      `${jsonl([
        { id: 'good', text: 'a text' },
        { id: 'evil\x1b[2J\n', text: 'word '.repeat(9000) },
      ])}this is no JSON\n${jsonl([{ id: 'none' }])}`,
    )
    const { code, stdout, stderr } = await load([...DOCS, '-i', file])
    expect(code).toBe(1)
    expect(stdout).toMatch(/^1 points, \d+ tokens in \d+\.\d s; 3 failed\n$/)
    expect(stderr).toContain('item "evil\\u001b[2J\\n": INPUT_TOO_LONG')
    expect(stderr).toContain('item "2": INVALID_INPUT')
    expect(stderr).toContain('item "none": INVALID_INPUT')
    expect(stderr).not.toMatch(/word|this is no JSON/)
    const again = await load([...DOCS, '-i', file, '--truncate', '--no-text'])
    expect(again.stdout).toMatch(/^2 points, .*; 2 failed\n$/)
    expect(server.byId('docs').get('good')?.payload).not.toHaveProperty('text')
    const third = await load([...DOCS, '-i', file, '--truncate', '--no-text'])
    expect(third.stdout).toMatch(/^0 points, 0 tokens in .*; 2 were there; 2 failed\n$/)
    const fourth = await load([...DOCS, '-i', file, '--truncate', '--no-text', '--again'])
    expect(fourth.stdout).toMatch(/^2 points/)
  })

  it('refuses a collection that does not fit, and one that is missing, with exit code 2', async () => {
    await load([...DOCS, '--dimensions', '32'], { stdin: 'a text\n' })
    const { code, stderr } = await load(DOCS, { stdin: 'a text\n' })
    expect(code).toBe(2)
    expect(stderr).toMatch(/"dense" has 32 dimensions, and this model gives 64/)
    const missing = await load(['--collection', 'others', '--no-create'], { stdin: 'a text\n' })
    expect(missing).toMatchObject({ code: 2 })
    expect(missing.stderr).toMatch(/There is no collection "others"/)
    const names = ['--dense-name', 'd', '--sparse-name', 's', '--sparse']
    expect((await load([...names, ...DOCS], { stdin: 'x' })).stderr).toMatch(/no sparse vector "s"/)
  })

  it('says that nobody answers, or that the key is wrong, and no key', async () => {
    const { url } = server
    await server.close()
    const gone = await load([...DOCS, '--json'], { stdin: 'a text\n' })
    expect(gone.code).toBe(1)
    expect(gone.stderr).toContain(`Qdrant at ${url} cannot be reached (ECONNREFUSED)`)
    expect(gone.stderr).toMatch(/trying again in 0\.\d s/)
    expect(JSON.parse(gone.stdout)).toMatchObject({ error: { code: 'STORE' } })
    server = await startContractServer({ apiKey: 'another' })
    const wrong = await load(DOCS, { stdin: 'a text\n' })
    expect(wrong.code).toBe(1)
    expect(wrong.stderr).toMatch(/answered 401 \(the API key is missing, wrong/)
  })

  it('warns of a key that others may read', async () => {
    const url = 'http://qdrant.invalid:6333'
    const { code, stderr } = await load([...DOCS, '--url', url], { stdin: 'a text\n' })
    expect(code).toBe(1)
    expect(stderr).toMatch(/warning: the API key goes over http/)
    expect(stderr).toMatch(/cannot be reached \((ENOTFOUND|EAI_AGAIN)\)/)
  })

  it('shows how far it is on a terminal', async () => {
    const file = join(folder, 'bar.jsonl')
    await writeFile(file, jsonl(Array.from({ length: 200 }, (_, i) => ({ id: i, text: `t ${i}` }))))
    const { code, stderr } = await load([...DOCS, '-i', file], { tty: { stderr: true } })
    expect(code).toBe(0)
    expect(stderr).toMatch(/load \[=+ *\] 100% \| 200 points, [\d.]+ points\/s/)
  })

  it('ends at once when it is interrupted', async () => {
    const { signal, interrupt } = interruptible()
    server.faults.push({ match: /PUT .*points/, delayMs: 60_000 })
    const work = load(DOCS, { stdin: 'a text\nanother\n', signal })
    while (server.collections.size === 0) await sleep(10)
    interrupt()
    expect(await work).toMatchObject({ code: 130, stdout: '' })
  })
})

killedAndResumed(1000)
