/** Model files that are damaged, foreign or change under the hand: a typed error that helps, never a crash. */
import { spawnSync } from 'node:child_process'
import { copyFileSync, statSync, symlinkSync, utimesSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type HeaderEdits, rewriteHeader } from '../../lib/model/formats/gguf/rewrite.js'
import { importPackage, runModule } from '../helpers/child.js'
import { has } from '../helpers/needs.mjs'
import { standinPath } from '../helpers/standins.js'
import { loadAll, loadMutants, type Outcome, smallestModel } from './hostile.js'

let directory: string
let base: string
let bytes: Buffer

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bge-m3-hostile-'))
  base = await smallestModel()
  bytes = await readFile(base)
})

afterAll(() => rm(directory, { recursive: true, force: true }))

async function loadOne(path: string): Promise<Outcome> {
  return (await loadAll([path]))[0] as Outcome
}

async function file(name: string, content: Uint8Array | string): Promise<string> {
  const path = join(directory, name)
  await writeFile(path, content)
  return path
}

/** Names the file, and says what to do about it. */
function expectHelp({ path, message }: Outcome): void {
  expect(message).toContain(path)
  expect(message, message).toMatch(/bge-m3 model|convert|unpack|fetch|check |name |permissions/i)
}

function expectUnusable(outcome: Outcome): void {
  expect(outcome).toMatchObject({ name: 'ModelLoadError', code: 'MODEL_LOAD' })
  expectHelp(outcome)
}

describe('truncated', () => {
  it('at forty lengths: ModelLoadError that names the file', async () => {
    const size = bytes.length
    const lengths = [0, 1, 3, 4, 8, 16, 23, 24, 25, 31, 32, 64, 100, 256, 1000, 4096, 10_000]
    for (let i = 1; i <= 20; i++) lengths.push(Math.floor((size * i) / 21))
    lengths.push(size - 4096, size - 32, size - 1)
    const paths = await Promise.all(
      lengths.map((length) => file(`cut-${length}.gguf`, bytes.subarray(0, length))),
    )
    for (const outcome of await loadAll(paths)) expectUnusable(outcome)
  })
})

describe('mutated', () => {
  it('at sixty places: an embedding or a typed error', () => loadMutants(directory, 60), 240_000)
})

describe('GGUF files of other kinds', () => {
  const architecture = (value: string): HeaderEdits => ({
    set: [{ key: 'general.architecture', type: 'string', value }],
  })
  it('of other architectures: ModelLoadError that names the architecture', async () => {
    const names = ['llama', 't5', 'mpnet', 'nomic-bert', 'qwen3', 'clip', 'nonsense', '']
    const paths: string[] = []
    for (const name of names) {
      const path = join(directory, `arch-${name || 'none'}.gguf`)
      await rewriteHeader(base, path, architecture(name))
      paths.push(path)
    }
    for (const [i, outcome] of (await loadAll(paths)).entries()) {
      expectUnusable(outcome)
      expect(outcome.message).toContain(`"${names[i]}"`)
    }
  })

  it.each<[string, HeaderEdits]>([
    ['no architecture', { remove: ['general.architecture'] }],
    ['no layers', { remove: ['bert.block_count'] }],
    ['no vocabulary', { remove: ['tokenizer.ggml.tokens'] }],
    ['no scores', { remove: ['tokenizer.ggml.scores'] }],
    ['a missing tensor', { dropTensors: ['blk.1.ffn_up.weight'] }],
    ['layers that are not there', { set: [{ key: 'bert.block_count', type: 'uint32', value: 3 }] }],
    ['no heads', { set: [{ key: 'bert.attention.head_count', type: 'uint32', value: 0 }] }],
    [
      'heads that do not divide',
      { set: [{ key: 'bert.attention.head_count', type: 'uint32', value: 7 }] },
    ],
    ['another width', { set: [{ key: 'bert.embedding_length', type: 'uint32', value: 128 }] }],
    ['a huge context', { set: [{ key: 'bert.context_length', type: 'uint32', value: 2 ** 31 }] }],
    [
      'a NaN epsilon',
      { set: [{ key: 'bert.attention.layer_norm_epsilon', type: 'float32', value: Number.NaN }] },
    ],
    ['a key of another type', { set: [{ key: 'bert.block_count', type: 'string', value: 'two' }] }],
    ['unknown pooling', { set: [{ key: 'bert.pooling_type', type: 'uint32', value: 4 }] }],
  ])('with %s: ModelLoadError', async (name, edits) => {
    const path = join(directory, `${name.replaceAll(' ', '-')}.gguf`)
    await rewriteHeader(base, path, edits)
    expectUnusable(await loadOne(path))
  })
})

describe('no GGUF at all', () => {
  const safetensors = () => {
    const header = Buffer.from('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}')
    const length = Buffer.alloc(8)
    length.writeBigUInt64LE(BigInt(header.length))
    return Buffer.concat([length, header, Buffer.alloc(4)])
  }
  it.each<[string, () => Uint8Array | string, RegExp]>([
    ['an HTML page', () => '<!DOCTYPE html><html><body>404</body></html>', /HTML/],
    ['a zip', () => Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(100, 7)]), /zip/],
    ['safetensors', safetensors, /safetensors/],
    ['JSON', () => '{"error":"Repository not found"}', /JSON/],
    ['a Git LFS pointer', () => 'version https://git-lfs.github.com/spec/v1\noid sha256:1', /LFS/],
    ['an empty file', () => '', /empty/],
    ['zeros', () => Buffer.alloc(10_000), /zeros/],
    [
      'noise',
      () => Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 167 + 11) & 255)),
      /GGUF/,
    ],
  ])('%s: ModelLoadError that says what it is', async (name, content, what) => {
    const outcome = await loadOne(await file(`${name.replaceAll(' ', '-')}.gguf`, content()))
    expectUnusable(outcome)
    expect(outcome.message).toMatch(what)
  })
})

describe('paths', () => {
  it('nothing there, an empty directory, a broken link, a device, a name with NUL', async () => {
    const empty = join(directory, 'empty')
    await mkdir(empty)
    const link = join(directory, 'link.gguf')
    symlinkSync(join(directory, 'gone'), link)
    const paths = [join(directory, 'none.gguf'), empty, link, join(base, 'below.gguf'), '/dev/zero']
    const outcomes = await loadAll(paths)
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ name: 'ModelNotFoundError', code: 'MODEL_NOT_FOUND' })
      expectHelp(outcome)
    }
    expect(await loadOne('a\0b')).toMatchObject({ code: 'INVALID_INPUT' })
  })

  it.skipIf(process.platform === 'win32')('a pipe that nobody writes: no hang', async () => {
    const pipe = join(directory, 'pipe.gguf')
    expect(spawnSync('mkfifo', [pipe]).status).toBe(0)
    const outcome = (await loadAll([pipe], 20_000))[0] as Outcome
    expect(outcome).toMatchObject({ code: 'MODEL_NOT_FOUND' })
    expectHelp(outcome)
  })

  // root reads everything
  it.skipIf(!has('notRoot'))('a file that may not be read', async () => {
    const path = join(directory, 'locked.gguf')
    copyFileSync(base, path)
    await chmod(path, 0)
    const outcome = await loadOne(path)
    expect(outcome).toMatchObject({ code: 'MODEL_NOT_FOUND' })
    expectHelp(outcome)
  })

  it('a link, a path with spaces and other scripts, a directory with one model: load', async () => {
    const folder = join(directory, 'möde l 模型')
    await mkdir(folder)
    const path = join(folder, 'a b — 中.gguf')
    copyFileSync(base, path)
    const link = join(directory, 'good-link.gguf')
    symlinkSync(path, link)
    for (const outcome of await loadAll([path, link, folder])) {
      expect(outcome).toEqual({ path: outcome.path, dense: 64, finite: true })
    }
  })
})

describe('a file that changes while it is loaded', () => {
  /** Embeds, waits until `change` was made, embeds again, then loads the same path anew. */
  const program = (path: string, change: string) => `${importPackage}
    import fs from 'node:fs'
    const path = ${JSON.stringify(path)}
    const m3 = await Embedder.load({ model: path, cache: false })
    const texts = Array.from({ length: 50 }, (_, i) => 'text number ' + i)
    const key = (list) => list.map(({ dense }) => Array.from(dense).join()).join()
    const before = key(await m3.embed(texts))
    ${change}
    const after = key(await m3.embed(texts)) === before
    const again = await Embedder.load({ model: path, cache: false }).then(
      async (other) => key(await other.embed(texts)) === before ? 'same' : 'other', (e) => e.code)
    console.log(JSON.stringify({ after, again }))`

  it.each<[string, (other: string) => string, string]>([
    ['truncated', () => 'fs.truncateSync(path, 1000)', 'MODEL_LOAD'],
    ['emptied', () => 'fs.truncateSync(path, 0)', 'MODEL_LOAD'],
    ['deleted', () => 'fs.rmSync(path)', 'MODEL_NOT_FOUND'],
    [
      'overwritten with zeros',
      () => 'fs.writeFileSync(path, Buffer.alloc(fs.statSync(path).size))',
      'MODEL_LOAD',
    ],
    [
      'replaced by another model',
      (other) => `fs.renameSync(${JSON.stringify(other)}, path)`,
      'other',
    ],
  ])('%s: embedding goes on with the weights that were read', async (what, change, again) => {
    const path = join(directory, `${what.replaceAll(' ', '-')}.gguf`)
    const other = join(directory, 'other.gguf')
    copyFileSync(base, path)
    copyFileSync(await standinPath({ size: 'tiny', vocabSize: 1000, seed: 2 }), other)
    // the same size and time: copies and archives keep them
    for (const copy of [path, other]) utimesSync(copy, 1e9, 1e9)
    const end = await runModule(program(path, change(other)))
    expect(end, end.stderr).toMatchObject({ code: 0, signal: null, timedOut: false })
    expect(JSON.parse(end.stdout)).toEqual({ after: true, again })
  })

  it('truncated while it is being read: an embedding or a typed error', async () => {
    const large = await standinPath({ size: 'tiny' })
    const size = statSync(large).size
    for (const delay of [0, 5, 15, 40]) {
      const path = join(directory, `reading-${delay}.gguf`)
      copyFileSync(large, path)
      const end = await runModule(`${importPackage}
        import fs from 'node:fs'
        const path = ${JSON.stringify(path)}
        const loading = Embedder.load({ model: path, cache: false }).then(() => 'loaded', (e) => e.code)
        setTimeout(() => fs.truncateSync(path, ${Math.floor(size / 2)}), ${delay})
        console.log(await loading)`)
      expect(end, end.stderr).toMatchObject({ code: 0, signal: null, timedOut: false })
      expect(end.stdout.trim()).toMatch(/^(loaded|MODEL_LOAD)$/)
      await rm(path)
    }
  })
})
