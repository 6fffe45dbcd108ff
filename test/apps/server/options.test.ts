/** The table of the server's options, keys, and the packages that are loaded when needed. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { serveConfig } from '../../../lib/apps/cli/serve/config.js'
import { readKeys } from '../../../lib/apps/server/auth.js'
import {
  checkServerOptions,
  mergeServerOptions,
  readServerEnvironment,
} from '../../../lib/apps/server/core/options.js'
import { serverPackage } from '../../../lib/apps/server/core/packages.js'
import { InvalidInputError } from '../../../lib/common/errors.js'
import { optional } from '../../../lib/common/optional.js'
import { createServer, SERVER_OPTIONS } from '../../../lib/exports/server.js'

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'bge-m3-options-'))
})
afterAll(() => rm(dir, { recursive: true }))

const file = async (name: string, content: string) => {
  const path = join(dir, name)
  await writeFile(path, content)
  return path
}

describe('the table', () => {
  it('has defaults that its own kinds allow', () => {
    for (const [name, { kind, default: value }] of Object.entries(SERVER_OPTIONS)) {
      if (value !== undefined) expect(kind.check(value), name).toEqual(value)
    }
    expect(mergeServerOptions()).toMatchObject({ host: '127.0.0.1', port: 8080, page: true })
    expect(mergeServerOptions().cors).toBeUndefined()
    expect(mergeServerOptions().apiKey).toBeUndefined()
  })

  it('reads the environment', () => {
    expect(
      readServerEnvironment({
        BGE_M3_PORT: '9000',
        BGE_M3_HOST: '0.0.0.0',
        BGE_M3_API_KEY: 'one, two',
        BGE_M3_LOG_LEVEL: 'WARN',
        BGE_M3_BODY_LIMIT: '2MB',
        BGE_M3_REQUEST_TIMEOUT: '30s',
        BGE_M3_PAGE: 'off',
        BGE_M3_CORS: '',
      }),
    ).toEqual({
      port: 9000,
      host: '0.0.0.0',
      apiKey: ['one', 'two'],
      logLevel: 'warn',
      bodyLimit: 2_000_000,
      requestTimeout: 30_000,
      page: false,
    })
  })

  it('says which is wrong, and shows no key', () => {
    expect(() => readServerEnvironment({ BGE_M3_PORT: '70000' })).toThrow(
      'BGE_M3_PORT must be an integer from 0 to 65535, not "70000".',
    )
    expect(() => readServerEnvironment({ BGE_M3_API_KEY: 'secret,,other' })).toThrow(
      /^BGE_M3_API_KEY must be (?!.*secret)/,
    )
    expect(() => checkServerOptions({ port: '8080' })).toThrow('The option `port` must be')
    expect(() => checkServerOptions({ apiKey: [] })).toThrow('The option `apiKey`')
    expect(() => checkServerOptions({ host: 'a\nb' })).toThrow(InvalidInputError)
    expect(checkServerOptions({ apiKey: 'one,two', cors: ['*'] })).toEqual({
      apiKey: ['one', 'two'],
      cors: ['*'],
    })
  })
})

describe('bge-m3 serve', () => {
  it('takes flags, then the environment, then the file, then the defaults', async () => {
    const config = await file(
      'serve.json',
      JSON.stringify({
        port: 1,
        maxItems: 1,
        queue: 1,
        concurrency: 1,
        model: '/file.gguf',
        threads: 1,
        page: false,
      }),
    )
    const env = {
      BGE_M3_PORT: '2',
      BGE_M3_MAX_ITEMS: '2',
      BGE_M3_THREADS: '2',
      BGE_M3_MODEL: '/env.gguf',
    }
    const { server, load } = await serveConfig(
      { config, port: '3', model: '/flag.gguf', docs: false, page: true },
      env,
    )
    expect(server).toMatchObject({
      port: 3,
      maxItems: 2,
      queue: 1,
      concurrency: 1,
      docs: false,
      page: false,
      host: '127.0.0.1',
    })
    expect(load).toEqual({ model: '/flag.gguf', threads: 2 })
  })

  it('refuses files that are wrong', async () => {
    const load = (content: string) =>
      file('wrong.json', content).then((config) => serveConfig({ config }, {}))
    await expect(load('{')).rejects.toThrow('is not valid JSON')
    await expect(load('[]')).rejects.toThrow('must hold a JSON object')
    await expect(load('{"prot": 1}')).rejects.toThrow('names no option: prot')
    await expect(load('{"port": "x"}')).rejects.toThrow(/^port in .*wrong\.json must be/)
    await expect(load('{"threads": "x"}')).rejects.toThrow(/^threads in .*wrong\.json must be/)
    await expect(serveConfig({ config: join(dir, 'none.json') }, {})).rejects.toThrow('ENOENT')
    await expect(serveConfig({ port: 'x' }, {})).rejects.toThrow('--port must be')
  })
})

describe('keys', () => {
  it('come from the options and a file, and an empty file opens nothing', async () => {
    const apiKeyFile = await file('keys', '# ours\nalpha\n\n  beta \n')
    const config = mergeServerOptions({ apiKey: ['gamma'], apiKeyFile })
    expect(await readKeys(config)).toEqual(['gamma', 'alpha', 'beta'])
    const empty = await file('empty', '\n# nothing\n')
    await expect(readKeys(mergeServerOptions({ apiKeyFile: empty }))).rejects.toThrow(
      'holds no key',
    )
    await expect(readKeys(mergeServerOptions({ apiKeyFile: join(dir, 'none') }))).rejects.toThrow(
      'cannot be read',
    )
  })
})

describe('createServer', () => {
  it('refuses options that are wrong', async () => {
    await expect(createServer({ port: -1 }, {})).rejects.toThrow('The option `port`')
    await expect(createServer({ tlsCert: 'x' }, {})).rejects.toThrow('TLS needs both')
    await expect(
      createServer({ tlsCert: join(dir, 'x'), tlsKey: join(dir, 'y') }, {}),
    ).rejects.toThrow('cannot be read')
  })
})

describe('optional packages', () => {
  it('are named when they are missing', async () => {
    const missing = 'bge-m3-not-there'
    await expect(
      optional(missing, 'bge-m3-node/server', () => import(/* @vite-ignore */ missing)),
    ).rejects.toThrow(
      'bge-m3-node/server needs the package bge-m3-not-there: npm install bge-m3-not-there',
    )
    // whoever starts a server without its packages installs them once
    const absent = Object.assign(new Error("Cannot find package 'pino'"), {
      code: 'ERR_MODULE_NOT_FOUND',
    })
    await expect(serverPackage('pino', () => Promise.reject(absent))).rejects.toThrow(
      'bge-m3-node/server needs the packages fastify, @fastify/swagger, @fastify/swagger-ui, pino, prom-client: ' +
        'npm install fastify @fastify/swagger @fastify/swagger-ui pino prom-client',
    )
    const broken = () => Promise.reject(new Error('it does not parse'))
    await expect(optional('x', 'y', broken)).rejects.toThrow('it does not parse')
    // what it imports itself is another matter
    const inner = Object.assign(new Error("Cannot find package 'other'"), {
      code: 'ERR_MODULE_NOT_FOUND',
    })
    await expect(optional('x', 'y', () => Promise.reject(inner))).rejects.toBe(inner)
    expect(await optional('x', 'y', async () => 7)).toBe(7)
  })
})
