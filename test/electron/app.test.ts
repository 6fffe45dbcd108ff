/**
 * examples/electron as an app packed by electron-builder would lie on disk: an asar with the package
 * unpacked beside it. Electron itself cannot be had here: its main process and its utility process run
 * under Node, with Electron's interface replaced by fake-electron.mjs.
 */
import { type ChildProcess, execFileSync, fork } from 'node:child_process'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { createPackageWithOptions, extractAll, listPackage, statFile } from '@electron/asar'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { parse } from 'yaml'
import type { NativeAddon } from '../../lib/native/addon.js'
import { hostTarget } from '../../scripts/targets.mjs'
import { root } from '../helpers/child.js'
import { standinPath } from '../helpers/standins.js'

const example = path.join(root, 'examples/electron')
const builder = parse(fs.readFileSync(path.join(example, 'electron-builder.yml'), 'utf8'))
const RUNTIME = [
  'lru-cache',
  'proxy-from-env',
  'http-proxy-agent',
  'https-proxy-agent',
  'agent-base',
]
const MORE = ['debug', 'ms', 'commander', 'cli-progress']

const work = fs.mkdtempSync(path.join(os.tmpdir(), 'bge-m3 electron '))
const asar = path.join(work, 'resources', 'app.asar')
const unpacked = `${asar}.unpacked`
let files: string[]
let addonPath: string

beforeAll(async () => {
  const source = path.join(work, 'app')
  fs.cpSync(example, source, { recursive: true })
  install(path.join(source, 'node_modules'))
  fs.mkdirSync(path.dirname(asar))
  await createPackageWithOptions(source, asar, {
    unpackDir: 'node_modules/{bge-m3-node,@bge-m3-node}',
  })
  files = listPackage(asar, { isPack: false }).map((file) => file.replaceAll('\\', '/'))
  addonPath = files.find((file) => file.endsWith('.node')) as string
})
afterAll(() => fs.rmSync(work, { recursive: true, force: true }))

/** What `npm install bge-m3-node` puts there, from the packed tarball and this checkout's dependencies. */
function install(modules: string): void {
  const script = path.join(root, 'scripts/package/pack.mjs')
  const output = execFileSync(process.execPath, [script, '--local', '--out', work], {
    encoding: 'utf8',
  })
  const scope = path.join(modules, '@bge-m3-node')
  fs.mkdirSync(scope, { recursive: true })
  const places = [path.join(modules, 'bge-m3-node'), path.join(scope, hostTarget())]
  output.split('\n', 2).forEach((tarball, i) => {
    execFileSync('tar', ['-xzf', tarball, '-C', modules])
    fs.renameSync(path.join(modules, 'package'), places[i] as string)
  })
  for (const name of [...RUNTIME, ...MORE]) {
    const from = path.join(root, 'node_modules', name)
    if (fs.existsSync(from)) fs.cpSync(from, path.join(modules, name), { recursive: true })
  }
}

describe('electron-builder.yml', () => {
  it('packs every file of the app, unpacks the package and compiles nothing', () => {
    expect(builder).toMatchObject({
      asar: true,
      asarUnpack: ['node_modules/bge-m3-node/**', 'node_modules/@bge-m3-node/**'],
      npmRebuild: false,
    })
    const named = fs.readdirSync(example).filter((name) => /\.(mjs|cjs|html)$/.test(name))
    const packed = (name: string) =>
      builder.files.includes(name) || builder.files.includes(`*${path.extname(name)}`)
    expect(named.filter((name) => !packed(name))).toEqual([])
  })
})

describe('the asar', () => {
  it('holds the app, with both packages unpacked whole and nothing else', () => {
    expect(files).toContain('/main.mjs')
    for (const file of files) {
      const entry = statFile(asar, path.normalize(file.slice(1)))
      if (!('size' in entry)) continue
      const isOurs = /^\/node_modules\/@?bge-m3-node/.test(file)
      expect([file, Boolean(entry.unpacked)]).toEqual([file, isOurs])
      expect(fs.existsSync(path.join(unpacked, file))).toBe(isOurs)
    }
  })

  it('holds no model', () => {
    expect(files.filter((file) => /\.gguf|\.pt$/.test(file))).toEqual([])
  })

  it('leaves the addon as a file that loads', () => {
    const addon = createRequire(import.meta.url)(path.join(unpacked, addonPath)) as NativeAddon
    expect(addon.machine().defaultThreads).toBeGreaterThan(0)
  })
})

describe('the addon', () => {
  it('cannot hand out external buffers, which Electron forbids', () => {
    const bytes = fs.readFileSync(path.join(unpacked, addonPath), 'latin1')
    const imported = new Set(bytes.match(/\b(napi|node_api)_[a-z_]+/g))
    expect(imported).toContain('napi_create_arraybuffer')
    expect(
      [...imported].filter((name) => /external_(array)?buffer|external_string/.test(name)),
    ).toEqual([])
  })
})

// one app's life, from its start to its end
describe('the app under Node', { shuffle: false }, () => {
  let main: ChildProcess
  let next = 1
  const heard: Record<string, unknown>[] = []
  const answers = new Map<number, (answer: Answer) => void>()
  interface Answer {
    value?: Float32Array[] & { dimensions: number; standin: boolean }
    error?: { code: string; message: string }
  }

  const call = (...args: unknown[]): Promise<Answer> => {
    const id = next++
    main.send({ id, call: args })
    return new Promise((resolve) => answers.set(id, resolve))
  }
  const until = (found: () => unknown) => vi.waitUntil(found, { timeout: 240_000 })
  const utilities = () => heard.filter(({ utility }) => utility)
  const progress = (job: number) =>
    heard.filter(
      ({ sent }) => (sent as unknown[])?.[0] === 'progress' && (sent as unknown[])[1] === job,
    )

  beforeAll(async () => {
    // as Electron sees it: the asar and what is unpacked are one tree
    const tree = path.join(work, 'tree')
    extractAll(asar, tree)
    const fake = path.join(tree, 'node_modules/electron')
    fs.mkdirSync(fake)
    fs.writeFileSync(path.join(fake, 'package.json'), '{"type":"module","main":"./index.mjs"}')
    fs.copyFileSync(
      path.join(import.meta.dirname, 'fake-electron.mjs'),
      path.join(fake, 'index.mjs'),
    )
    for (const name of ['fake-utility.mjs', 'fake-ports.mjs']) {
      fs.copyFileSync(path.join(import.meta.dirname, name), path.join(fake, name))
    }
    main = fork(path.join(tree, 'main.mjs'), {
      serialization: 'advanced',
      execArgv: [],
      env: {
        PATH: '',
        HOME: work,
        FAKE_USER_DATA: path.join(work, 'user data'),
        BGE_M3_MODEL: await standinPath({ size: 'tiny' }),
      },
    })
    main.on('message', (message: Record<string, unknown>) => {
      heard.push(message)
      const resolve = answers.get(message.id as number)
      if (resolve) resolve(message.answer as Answer)
    })
    await until(() => heard.some(({ window }) => String(window).endsWith('index.html')))
  })
  afterAll(() => main?.kill())

  it('loads a model that lies outside the asar, in a utility process', async () => {
    const { value } = await call('load', 1)
    expect(value).toMatchObject({ dimensions: 64, standin: true })
    expect(utilities()).toHaveLength(1)
  })

  it('embeds, and tells how far it is', async () => {
    const texts = Array.from({ length: 40 }, (_, i) => `The text of row ${i}.`)
    const { value } = await call('embed', 2, texts)
    expect(value).toHaveLength(40)
    expect(value?.[0]).toBeInstanceOf(Float32Array)
    expect(progress(2).at(-1)).toEqual({
      sent: ['progress', 2, { stage: 'embed', done: 40, total: 40 }],
    })
  })

  it('gives the error of a bad text its code', async () => {
    const { error } = await call('embed', 3, ['good', ''.padEnd(200_000, 'long ')])
    expect(error?.code).toBe('BATCH')
  })

  it('cancels', async () => {
    const texts = Array.from({ length: 20_000 }, (_, i) => `Row ${i}. ${'More words. '.repeat(40)}`)
    const answer = call('embed', 4, texts)
    await until(() => progress(4).length > 0)
    main.send({ send: ['cancel', 4] })
    expect((await answer).error?.code).toBe('AbortError')
    expect((await call('embed', 5, ['And it works on.'])).value).toHaveLength(1)
  })

  it('survives a crash of the native side: what was under way is made once more', async () => {
    const texts = Array.from({ length: 1000 }, (_, i) => `Line ${i}. ${'Other words. '.repeat(40)}`)
    const answer = call('embed', 6, texts)
    await until(() => progress(6).length > 0)
    main.send({ crash: true })
    expect((await answer).value).toHaveLength(1000)
    expect((await call('embed', 7, ['After the crash.'])).value).toHaveLength(1)
    expect(utilities()).toHaveLength(2)
  })

  it('ends with its utility process', async () => {
    const ended = new Promise((resolve) => main.once('exit', resolve))
    main.disconnect()
    expect(await ended).toBe(0)
    const [, last] = utilities() as { utility: { pid: number } }[]
    await expect.poll(() => isAlive(last?.utility.pid as number), { timeout: 240_000 }).toBe(false)
  })
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
