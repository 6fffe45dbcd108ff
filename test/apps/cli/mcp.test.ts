/** `bge-m3 mcp`, asked by the SDK's own client: child processes over stdio, and HTTP. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { root } from '../../helpers/child.js'
import { tinyPath } from '../../helpers/standins.js'
import { paragraphs } from '../../helpers/texts.js'
import { cli } from './run.js'

const main = join(root, 'dist/cli/main.js')
const texts = paragraphs('en')
  .slice(0, 12)
  .map(({ text }) => text)
const SECRET = 'sesame is what nobody may read'
let folder: string
let docs: string
let store: string
let model: string

beforeAll(async () => {
  model = await tinyPath()
  folder = await mkdtemp(join(tmpdir(), 'cli-mcp-'))
  docs = join(folder, 'docs')
  store = join(folder, 'store')
  await mkdir(docs)
  for (const [i, text] of texts.entries()) await writeFile(join(docs, `${i}.txt`), text)
  await writeFile(join(docs, 'long.txt'), texts.join('\n\n').repeat(2))
  await writeFile(join(folder, 'secret.txt'), SECRET)
  await symlink(join(folder, 'secret.txt'), join(docs, 'link.txt'))
  await symlink(folder, join(docs, 'up'))
  const made = await cli(['index', docs, '-s', store, '--model', model, '--chunk-tokens', '200'])
  expect(made.code).toBe(0)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

// biome-ignore lint/suspicious/noExplicitAny: answers of many shapes
type Answer = { isError?: boolean; content: any; structuredContent?: any }
const asker =
  (client: Client) =>
  (name: string, args: Record<string, unknown> = {}): Promise<Answer> =>
    client.callTool({ name, arguments: args }) as Promise<Answer>

async function overStdio(run: (client: Client, stderr: () => string) => Promise<void>) {
  const args = [main, 'mcp', '--store', store]
  const transport = new StdioClientTransport({ command: process.execPath, args, stderr: 'pipe' })
  let stderr = ''
  transport.stderr?.on('data', (data) => {
    stderr += data
  })
  const client = new Client({ name: 'test', version: '1' })
  const errors: Error[] = []
  // whatever is on stdout and no message of the protocol
  client.onerror = (error) => errors.push(error)
  await client.connect(transport)
  try {
    await run(client, () => stderr)
  } finally {
    await client.close()
  }
  expect(errors).toEqual([])
}

describe('mcp over stdio', () => {
  it('has three tools that only read', async () => {
    await overStdio(async (client) => {
      expect(client.getServerVersion()?.name).toBe('bge-m3')
      const { tools } = await client.listTools()
      expect(tools.map(({ name }) => name)).toEqual(['search', 'read_chunk', 'index_status'])
      for (const { annotations, inputSchema, outputSchema } of tools) {
        expect(annotations).toMatchObject({ readOnlyHint: true })
        expect(inputSchema).toMatchObject({ type: 'object', additionalProperties: false })
        expect(outputSchema).toBeDefined()
      }
    })
  })

  it('finds, reads and tells what `search` finds and the files hold', async () => {
    const query = texts[3] as string
    const { hits } = JSON.parse((await cli(['search', query, '-s', store, '--json'])).stdout)
    await overStdio(async (client) => {
      const ask = asker(client)
      const found = await ask('search', { query })
      expect(found.structuredContent.hits.map((hit: { id: string }) => hit.id)).toEqual(
        hits.map((hit: { id: string }) => hit.id),
      )
      expect(JSON.parse(found.content[0].text)).toEqual(found.structuredContent)
      expect(found.structuredContent.hits[0]).toMatchObject({
        score: hits[0].score,
        snippet: hits[0].snippet.text,
        line: hits[0].line,
        endLine: hits[0].endLine,
      })

      const id = `${join(docs, 'long.txt')}#1`
      const { structuredContent } = await ask('read_chunk', { id, before: 1, after: 5 })
      const { chunks } = structuredContent
      expect(chunks.map((chunk: { id: string }) => chunk.id)).toEqual(
        [0, 1, 2, 3, 4, 5, 6].map((i) => `${join(docs, 'long.txt')}#${i}`),
      )
      const whole = texts.join('\n\n').repeat(2)
      for (const { text, cut } of chunks) {
        expect(cut).toBe(false)
        expect(whole).toContain(text)
      }

      const status = await ask('index_status')
      expect(status.structuredContent).toMatchObject({
        files: texts.length + 1,
        chunks: expect.any(Number),
        model: { name: expect.any(String), fingerprint: expect.any(String) },
      })
      expect(JSON.stringify(status)).not.toContain(store)
    })
  })

  it('is bounded, and refuses with words what it does not take', async () => {
    await overStdio(async (client) => {
      const ask = asker(client)
      const { structuredContent } = await ask('search', { query: 'the', limit: 50 })
      expect(structuredContent.hits.length).toBeLessThanOrEqual(50)
      expect(JSON.stringify(structuredContent).length).toBeLessThan(50 * 1000)
      const wrong: [string, Record<string, unknown>][] = [
        ['search', {}],
        ['search', { query: '' }],
        ['search', { query: '  ' }],
        ['search', { query: 'x', limit: 51 }],
        ['search', { query: 'x', limit: 1.5 }],
        ['search', { query: 'x', mode: 'psychic' }],
        ['search', { query: 'x', nonsense: 1 }],
        ['search', { query: 'word '.repeat(9000) }],
        ['read_chunk', { id: `${join(docs, '0.txt')}#0`, after: 6 }],
        ['read_chunk', { id: 7 }],
        ['rm', {}],
      ]
      for (const [name, args] of wrong) {
        const answer = await ask(name, args)
        expect({ name, args, isError: answer.isError }).toEqual({ name, args, isError: true })
        expect(answer.content[0].text.length).toBeLessThan(2000)
      }
      expect((await ask('index_status')).isError).toBeUndefined()
    })
  })

  it('leads nowhere outside of the index', async () => {
    await overStdio(async (client, stderr) => {
      const ask = asker(client)
      const ids = [
        join(folder, 'secret.txt'),
        join(docs, '../secret.txt'),
        join(docs, 'link.txt'),
        join(docs, 'up/secret.txt'),
        `${docs}/../secret.txt`,
        `${docs}/./0.txt`,
        '../secret.txt',
        'secret.txt',
        '/etc/passwd',
        'file:///etc/passwd',
        join(store, 'index.db'),
        `${docs}/0.txt\0`,
        "' OR 1=1 --",
        '%',
      ]
      for (const path of ids.flatMap((path) => [path, `${path}#0`])) {
        const answer = await ask('read_chunk', { id: path, before: 5, after: 5 })
        expect({ path, isError: answer.isError }).toEqual({ path, isError: true })
        expect(JSON.stringify(answer)).not.toMatch(/sesame|root:/)
      }
      const found = await ask('search', { query: SECRET, limit: 50 })
      expect(found.structuredContent.hits.length).toBeGreaterThan(0)
      for (const { path } of found.structuredContent.hits) expect(path).toMatch(/\/docs\/\w+\.txt$/)
      expect(JSON.stringify(found)).not.toMatch(/secret\.txt|link\.txt/)
      // a file that became a link since: the index has what it was
      const swapped = join(docs, '0.txt')
      await rm(swapped)
      await symlink(join(folder, 'secret.txt'), swapped)
      const { structuredContent } = await ask('read_chunk', { id: `${swapped}#0` })
      expect(texts[0]).toContain(structuredContent.chunks[0].text)
      await rm(swapped)
      await writeFile(swapped, texts[0] as string)
      expect(stderr()).not.toContain('sesame')
    })
  })
})

/** The lines of a session on raw pipes. */
const hello = (id: number) => ({
  jsonrpc: '2.0',
  id,
  method: 'initialize',
  params: {
    protocolVersion: '2025-06-18',
    capabilities: {},
    clientInfo: { name: 'raw', version: '1' },
  },
})
const call = (id: number, name: string, args: Record<string, unknown>) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: args },
})

interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

function piped(input: string, child: ChildProcess): Promise<Ended> {
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (data) => {
    stdout += data
  })
  child.stderr?.on('data', (data) => {
    stderr += data
  })
  child.stdin?.end(input)
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })))
}

describe('mcp as a process', () => {
  it('answers what was asked before stdin ended, and ends', async () => {
    const messages = [hello(1), call(2, 'search', { query: 'sesame' }), call(3, 'index_status', {})]
    const input = `${messages.map((message) => JSON.stringify(message)).join('\n')}\nsesame {\n`
    const child = spawn(process.execPath, [main, 'mcp', '-s', store])
    const { code, stdout, stderr } = await piped(input, child)
    expect(code).toBe(0)
    const answers = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(answers.map(({ id }) => id).sort()).toEqual([1, 2, 3])
    for (const { result } of answers) expect(result).toBeDefined()
    expect(stderr).toMatch(/none of the protocol/)
    expect(stderr).not.toContain('sesame')
  })

  it('says what is missing, with nothing on stdout', async () => {
    const run = (args: string[]) => piped('', spawn(process.execPath, [main, 'mcp', ...args]))
    expect(await run(['-s', join(folder, 'none')])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/There is no index/),
    })
    expect(await run([])).toMatchObject({ code: 2, stdout: '' })
    expect(await run(['-s', store, '--port', '65536'])).toMatchObject({ code: 2, stdout: '' })
  })
})

describe('mcp over HTTP', () => {
  let child: ChildProcess
  let ended: Promise<Ended>
  let url: URL
  beforeAll(async () => {
    child = spawn(process.execPath, [main, 'mcp', '-s', store, '--port', '0'])
    url = await new Promise<URL>((resolve) => {
      let said = ''
      child.stderr?.on('data', (data) => {
        said += data
        const [found] = /http:\S+/.exec(said) ?? []
        if (found) resolve(new URL(found))
      })
    })
    ended = piped('', child)
  })
  afterAll(() => {
    child.kill('SIGKILL')
  })

  it('serves several clients at once', async () => {
    const clients = await Promise.all(
      [1, 2, 3].map(async () => {
        const client = new Client({ name: 'test', version: '1' })
        await client.connect(new StreamableHTTPClientTransport(url) as Transport)
        return client
      }),
    )
    const answers = await Promise.all(
      clients.map((client, i) => asker(client)('search', { query: texts[i], limit: 1 })),
    )
    answers.forEach((answer, i) => {
      const [hit] = answer.structuredContent.hits
      const of = texts[i] as string
      expect([join(docs, `${i}.txt`), join(docs, 'long.txt')]).toContain(hit.path)
      expect(of).toContain(hit.snippet.replaceAll('…', '').trim().slice(0, 30))
    })
    for (const client of clients) await client.close()
  })

  /** A request with headers that `fetch` would not send. */
  const send = (options: object, body = JSON.stringify(hello(1))) =>
    new Promise<number | undefined>((resolve, reject) => {
      const headers = {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
      }
      const { port } = url
      const asked = { port, path: '/mcp', method: 'POST', ...options }
      const all = { ...headers, ...(options as { headers?: object }).headers }
      request({ host: '127.0.0.1', ...asked, headers: all }, (response) => {
        response.resume()
        response.on('end', () => resolve(response.statusCode))
      })
        .on('error', reject)
        .end(body)
    })

  it('answers to names of this machine alone, and to nonsense with an error', async () => {
    expect(await send({})).toBe(200)
    expect(await send({ headers: { host: `evil.example:${url.port}` } })).toBe(403)
    expect(await send({ headers: { origin: 'http://evil.example' } })).toBe(403)
    expect(await send({ method: 'GET' }, '')).toBe(405)
    expect(await send({ path: '/' })).toBe(404)
    expect(await send({ path: '//' })).toBe(404)
    expect(await send({}, '{')).toBe(400)
    expect(await send({}, 'x'.repeat(20_000_000)).catch(() => 413)).toBe(413)
    expect(await send({})).toBe(200)
  })

  it('ends with SIGTERM', async () => {
    child.kill('SIGTERM')
    expect(await ended).toMatchObject({ code: 0, stdout: '' })
  })
})
