import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { buildDir, cacheDir, resolveCacheDir } from '../../lib/common/cache-dir.js'
import { InvalidInputError, ModelNotFoundError } from '../../lib/common/errors.js'
import { defaultModelPath, findModel, modelsDir } from '../../lib/model/locations.js'
import { has } from '../helpers/needs.mjs'

describe('resolveCacheDir', () => {
  const linux = { platform: 'linux', home: '/home/u' } as const
  const mac = { platform: 'darwin', home: '/Users/u' } as const
  const windows = { platform: 'win32', home: 'C:\\Users\\u' } as const

  it.each([
    [linux, {}, '/home/u/.cache/bge-m3-node'],
    [linux, { XDG_CACHE_HOME: '/x' }, '/x/bge-m3-node'],
    [linux, { XDG_CACHE_HOME: 'relative' }, '/home/u/.cache/bge-m3-node'],
    [linux, { XDG_CACHE_HOME: '' }, '/home/u/.cache/bge-m3-node'],
    [linux, { XDG_CACHE_HOME: '/x', BGE_M3_CACHE_DIR: '/own' }, '/own'],
    [linux, { BGE_M3_CACHE_DIR: 'own' }, resolve('own')],
    [linux, { BGE_M3_CACHE_DIR: '' }, '/home/u/.cache/bge-m3-node'],
    [mac, {}, '/Users/u/Library/Caches/bge-m3-node'],
    [mac, { XDG_CACHE_HOME: '/x' }, '/x/bge-m3-node'],
    [windows, { LOCALAPPDATA: 'D:\\Local' }, 'D:\\Local\\bge-m3-node'],
    [windows, {}, 'C:\\Users\\u\\AppData\\Local\\bge-m3-node'],
    [windows, { XDG_CACHE_HOME: 'E:\\x' }, 'E:\\x\\bge-m3-node'],
  ])('%j with %j', (host, env, path) => {
    expect(resolveCacheDir({ ...host, env })).toBe(path)
  })
})

describe('directories', () => {
  afterEach(() => {
    vi.unstubAllEnvs()
  })

  it('lie under the cache directory, which the option names before the environment', () => {
    vi.stubEnv('BGE_M3_CACHE_DIR', '/env')
    expect(cacheDir()).toBe('/env')
    expect(cacheDir('/option')).toBe('/option')
    expect(modelsDir('/option')).toBe(join('/option', 'models'))
    expect(buildDir()).toBe(join('/env', 'build'))
    expect(defaultModelPath('/o')).toBe(join('/o', 'models', 'bge-m3', 'bge-m3-q8_0.gguf'))
    vi.stubEnv('BGE_M3_CACHE_DIR', '')
    vi.stubEnv('XDG_CACHE_HOME', '')
    expect(cacheDir().startsWith(homedir())).toBe(true)
  })
})

describe('findModel', () => {
  let dir = ''
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'bge-m3-find-'))
  })
  afterEach(async () => {
    await rm(dir, { recursive: true, force: true })
  })
  const file = async (name: string) => {
    const path = join(dir, name)
    await mkdir(join(path, '..'), { recursive: true })
    await writeFile(path, 'GGUF')
    return path
  }

  it('takes the option, else the variable, else the pulled model', async () => {
    const option = await file('option.gguf')
    const variable = await file('variable.gguf')
    const pulled = await file('models/bge-m3/bge-m3-q8_0.gguf')
    const env = { BGE_M3_MODEL: variable }
    expect(await findModel(option, { env, cacheDir: dir })).toBe(option)
    expect(await findModel(undefined, { env, cacheDir: dir })).toBe(variable)
    expect(await findModel(undefined, { env: {}, cacheDir: dir })).toBe(pulled)
    expect(await findModel(undefined, { env: { BGE_M3_MODEL: '' }, cacheDir: dir })).toBe(pulled)
    expect(await findModel(relative(process.cwd(), option), { env: {} })).toBe(option)
  })

  it('says what it looked at and what to do when there is none, and never finds a stand-in', async () => {
    await file('models/bge-m3-standin-tiny.gguf')
    await file('models/bge-m3/standin.gguf')
    const promise = findModel(undefined, { env: {}, cacheDir: dir })
    await expect(promise).rejects.toThrow(ModelNotFoundError)
    await expect(promise).rejects.toThrow(join(dir, 'models', 'bge-m3'))
    await expect(promise).rejects.toThrow(/`bge-m3 model pull`.*BGE_M3_MODEL/)
  })

  it('does not look further when what was named is not there', async () => {
    await file('models/bge-m3/bge-m3-q8_0.gguf')
    const missing = join(dir, 'missing.gguf')
    await expect(findModel(missing, { env: {}, cacheDir: dir })).rejects.toThrow(
      /missing\.gguf, which the `model` option names.*`bge-m3 model pull`/,
    )
    const env = { BGE_M3_MODEL: join(missing, 'deeper') }
    await expect(findModel(undefined, { env, cacheDir: dir })).rejects.toThrow(
      /which BGE_M3_MODEL names/,
    )
  })

  it('finds what was fetched by its name, its hub id, and in a format that was named', async () => {
    const e5 = await file('models/multilingual-e5-base/multilingual-e5-base-q8_0.gguf')
    await file('models/multilingual-e5-base/multilingual-e5-base-q8_0.gguf.json')
    const f16 = await file('models/multilingual-e5-base+f16/multilingual-e5-base-f16.gguf')
    const other = await file('models/o--r@v1--deep--x.gguf/x.gguf')
    const options = { env: {}, cacheDir: dir }
    expect(await findModel('multilingual-e5-base', options)).toBe(e5)
    expect(await findModel('intfloat/multilingual-e5-base', options)).toBe(e5)
    expect(await findModel('multilingual-e5-base:F16', options)).toBe(f16)
    expect(await findModel('hf:o/r@v1/deep/x.gguf', options)).toBe(other)
    const env = { BGE_M3_MODEL: 'multilingual-e5-base' }
    expect(await findModel(undefined, { env, cacheDir: dir })).toBe(e5)
    await expect(findModel('bge-small-en-v1.5', options)).rejects.toThrow(
      /bge-small-en-v1\.5 is not in .*Run `bge-m3 model pull bge-small-en-v1\.5`/,
    )
  })

  it.each([
    ['bge-m4', /Did you mean the model bge-m3\?/],
    ['sentence-transformers/all-MiniLM-L6-v3', /Did you mean the model all-MiniLM-L6-v2\?/],
    ['somebody/something', /written hf:somebody\/something/],
    ['./model.gguf', /Check the path/],
  ])(
    '%s is a path that leads nowhere, and the error says what may be meant',
    async (name, hint) => {
      const promise = findModel(name, { env: {}, cacheDir: dir })
      await expect(promise).rejects.toThrow(ModelNotFoundError)
      await expect(promise).rejects.toThrow(hint)
    },
  )

  it('takes the one model of a directory, and the pulled one before others', async () => {
    await expect(findModel(dir)).rejects.toThrow(/no GGUF file in/)
    const one = await file('one.GGUF')
    expect(await findModel(dir)).toBe(one)
    await file('two.gguf')
    await expect(findModel(dir)).rejects.toThrow(/2 GGUF files in/)
    const pulled = await file('bge-m3-q8_0.gguf')
    expect(await findModel(dir)).toBe(pulled)
  })

  it.each(['', 'a\0b', 7 as unknown as string])('refuses %j as a path', async (path) => {
    await expect(findModel(path)).rejects.toThrow(InvalidInputError)
  })

  it('refuses what is no regular file', async () => {
    if (process.platform === 'win32') return
    await expect(findModel('/dev/null')).rejects.toThrow(/not a regular file/)
  })

  it.skipIf(!has('notRoot') || process.platform === 'win32')(
    'says so when it may not be read',
    async () => {
      const path = await file('locked.gguf')
      await chmod(path, 0)
      await expect(findModel(path)).rejects.toThrow(/cannot be read/)
    },
  )

  it('says so when the name cannot be one', async () => {
    await expect(findModel(join(dir, 'x'.repeat(5_000)))).rejects.toThrow(/cannot be read/)
  })
})
