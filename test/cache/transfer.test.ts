import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { encodeRecord } from '../../lib/cache/disk/layout.js'
import { Kind, ModelKeys, textTag } from '../../lib/cache/entry/key.js'
import type { Value } from '../../lib/cache/entry/value.js'
import { CacheError } from '../../lib/common/errors.js'
import {
  ALL,
  DAY,
  DENSE,
  dense,
  everything,
  floats,
  LIMIT,
  openCache,
  random,
  useTemporaryFolders,
} from './helpers.js'

const folder = useTemporaryFolders()
const NOW = 1_800_000_000_000

async function exported(count = 30): Promise<string> {
  const file = path.join(folder(), 'file')
  const { cache, clock } = await openCache({ dir: folder() })
  for (let i = 0; i < count; i++) {
    clock.now += 1000
    cache.keep('model', `t${i}`, everything(i), LIMIT)
  }
  cache.keep(
    'model',
    'long',
    { ...dense(1, 16), truncated: true },
    { maxTokens: 7, truncate: 'end' },
  )
  await cache.exportTo(file)
  await cache.close()
  return file
}

describe('export and import', () => {
  it.each([
    ['disk', 'disk'],
    ['disk', 'memory'],
    ['memory', 'disk'],
    ['memory', 'memory'],
  ])('carry everything from %s to %s', async (from, to) => {
    const tier = (name: string) =>
      name === 'disk' ? { dir: folder() } : { memoryBytes: 1_000_000 }
    const file = path.join(folder(), 'file')
    const source = await openCache(tier(from))
    const created = source.clock.now
    for (let i = 0; i < 30; i++) source.cache.keep(i % 2 ? 'a' : 'b', `t${i}`, everything(i), LIMIT)
    await source.cache.flush()
    source.clock.now += 5000
    source.cache.find('a', 't1', DENSE, LIMIT)
    const { entries, bytes } = await source.cache.exportTo(file)
    expect(entries).toBe(90)
    expect(fs.statSync(file).size).toBe(bytes)
    expect(fs.statSync(file).mode & 0o777).toBe(0o600)

    const target = await openCache({ ...tier(to), clock: { now: source.clock.now + DAY } })
    expect(await target.cache.importFrom(file)).toEqual({ imported: 90, present: 0, expired: 0 })
    expect(await target.cache.importFrom(file)).toEqual({ imported: 0, present: 90, expired: 0 })
    expect(target.cache.describe('a', 't1')[0]).toMatchObject({ created, hits: 1 })
    for (let i = 0; i < 30; i++) {
      expect(target.cache.find(i % 2 ? 'a' : 'b', `t${i}`, ALL, LIMIT)).toEqual(everything(i))
    }
    // names of models come along
    const again = path.join(folder(), 'again')
    await target.cache.exportTo(again)
    expect(fs.readFileSync(again).includes(`\u0000a`)).toBe(true)
    await source.cache.close()
    await target.cache.close()
  })

  it('keeps the age, the limit a text was cut at, and what is newer', async () => {
    const file = await exported()
    const old = await openCache({ dir: folder(), ttlMs: DAY, clock: { now: NOW + DAY + 10_500 } })
    const { imported, expired } = await old.cache.importFrom(file)
    expect({ imported, expired }).toEqual({ imported: 61, expired: 30 })
    expect(old.cache.find('model', 'long', DENSE, { maxTokens: 7, truncate: 'end' })).toBeDefined()
    expect(old.cache.find('model', 'long', DENSE, LIMIT)).toBeUndefined()
    await old.cache.close()
    const newer = await openCache({ memoryBytes: 1_000_000, clock: { now: NOW + DAY } })
    newer.cache.keep('model', 't1', everything(77), LIMIT)
    await newer.cache.importFrom(file)
    expect(newer.cache.find('model', 't1', ALL, LIMIT)).toEqual(everything(77))
    // what says it comes from the future is from now
    const past = await openCache({ memoryBytes: 1_000_000, clock: { now: NOW - 100 * DAY } })
    await past.cache.importFrom(file)
    expect(past.cache.describe('model', 't1')[0]?.created).toBe(NOW - 100 * DAY)
  })

  it('say when a file cannot be written, and leave none', async () => {
    const { cache } = await openCache({ memoryBytes: 100_000 })
    const dir = folder()
    fs.mkdirSync(path.join(dir, 'taken', 'x'), { recursive: true })
    for (const file of [path.join(dir, 'none', 'file'), path.join(dir, 'taken')]) {
      await expect(cache.exportTo(file)).rejects.toThrow(CacheError)
      await expect(cache.exportTo(file)).rejects.toMatchObject({ code: 'CACHE' })
    }
    expect(fs.readdirSync(dir)).toEqual(['taken'])
  })
})

/** An export file around these records, its checksum right. */
function forge(records: Buffer[], change: (file: Buffer) => void = () => {}): string {
  const head = Buffer.alloc(32)
  head.write('bge-m3-cache')
  head.writeUInt32LE(1, 12)
  const end = Buffer.alloc(12)
  end.writeBigUInt64LE(BigInt(records.length))
  end.write('BGCE', 8)
  const body = Buffer.concat([head, ...records, end])
  change(body)
  const file = path.join(folder(), 'forged')
  fs.writeFileSync(file, Buffer.concat([body, createHash('sha256').update(body).digest()]))
  return file
}

const model = new ModelKeys().of('model')

function record(value: Value | Buffer, changes: Partial<Parameters<typeof encodeRecord>[0]> = {}) {
  const tag = textTag('text') as string
  const info = {
    kind: Kind.dense,
    model,
    tag,
    variant: 0,
    tokenCount: 5,
    created: NOW,
    lastAccess: NOW,
    hits: 0,
  }
  return encodeRecord({ ...info, ...changes }, value)
}

describe('import refuses', () => {
  async function refusal(file: string): Promise<string> {
    const { cache } = await openCache({ memoryBytes: 10_000_000 })
    const error = await cache.importFrom(file).then(
      () => undefined,
      (reason) => reason,
    )
    expect(error).toBeInstanceOf(CacheError)
    expect(cache.stats().memory.entries).toBe(0)
    return (error as Error).message
  }

  it('what is no file', async () => {
    const dir = folder()
    expect(await refusal(path.join(dir, 'none'))).toContain('ENOENT')
    expect(await refusal(dir)).toContain('no regular file')
    if (process.platform === 'win32') return
    const pipe = path.join(dir, 'pipe')
    execFileSync('mkfifo', [pipe])
    expect(await refusal(pipe)).toContain('no regular file')
    expect(await refusal('/dev/zero')).toContain('no regular file')
  })

  it('another format, another version', async () => {
    const file = path.join(folder(), 'file')
    for (const content of ['', 'x', 'x'.repeat(1000), '\0'.repeat(100_000)]) {
      fs.writeFileSync(file, content)
      expect(await refusal(file)).toContain('is no exported cache')
    }
    expect(await refusal(forge([], (body) => body.writeUInt32LE(2, 12)))).toContain('version 2')
  })

  it('a file that was cut or changed anywhere', async () => {
    const file = await exported(8)
    const good = fs.readFileSync(file)
    const pick = random(5)
    for (let i = 0; i < 60; i++) {
      const bad = Buffer.from(good)
      const at = Math.floor(pick() * bad.length)
      if (i % 2) fs.writeFileSync(file, bad.subarray(0, at))
      else {
        bad[at] = (bad[at] as number) ^ (1 << Math.floor(pick() * 8))
        fs.writeFileSync(file, bad)
      }
      await refusal(file)
    }
    // what only the checksum of all covers: the time of the export
    const other = Buffer.from(good)
    other.writeUInt8(other.readUInt8(17) ^ 1, 17)
    fs.writeFileSync(file, other)
    expect(await refusal(file)).toContain('is damaged')
    fs.writeFileSync(file, Buffer.concat([good, Buffer.from('more')]))
    await refusal(file)
  })

  const sparse = (indices: number[], values: number[]) => ({
    indices: Uint32Array.from(indices),
    values: Float32Array.from(values),
  })
  it.each<[string, () => Buffer[]]>([
    ['numbers that are not finite', () => [record(Float32Array.of(1, Number.NaN))]],
    ['vectors of other widths', () => [record(floats(8, 1)), record(floats(9, 1))]],
    ['no vector', () => [record(floats(0, 1))]],
    ['bytes that are no floats', () => [record(Buffer.alloc(7))]],
    ['unordered ids', () => [record(sparse([2, 1], [1, 1]), { kind: Kind.sparse })]],
    ['repeated ids', () => [record(sparse([2, 2], [1, 1]), { kind: Kind.sparse })]],
    ['infinite weights', () => [record(sparse([1], [1 / 0]), { kind: Kind.sparse })]],
    ['half a weight', () => [record(Buffer.alloc(12), { kind: Kind.sparse })]],
    ['rows that do not divide', () => [record(floats(7, 1), { kind: Kind.colbert })]],
    ['rows that are missing', () => [record(floats(0, 1), { kind: Kind.colbert })]],
    ['no tokens', () => [record(floats(8, 1), { tokenCount: 0 })]],
    ['too many tokens', () => [record(floats(8, 1), { tokenCount: 1 << 30 })]],
    ['more tokens than the limit it was cut at', () => [record(floats(8, 1), { variant: 4 })]],
    ['a kind that is none', () => [record(floats(8, 1), { kind: 9 })]],
    ['a fingerprint that is none', () => [record(Buffer.from('other'), { kind: 15 })]],
    ['a record that is cut short', () => [record(floats(8, 1)).subarray(0, 50)]],
    ['data that is cut short', () => [record(floats(8, 1)).subarray(0, 80)]],
    [
      'a length that is too much',
      () => {
        const long = record(floats(8, 1))
        long.writeUInt32LE(0xffffffff, 12)
        return [long]
      },
    ],
  ])('%s', async (_name, records) => {
    await refusal(forge(records()))
    // also after entries that are good
    await refusal(forge([record(floats(8, 5)), ...records()]))
  })

  it('a wrong count, and a damaged record inside a right checksum', async () => {
    const good = record(floats(8, 1))
    expect(await refusal(forge([good], (body) => body.writeUInt8(7, body.length - 12)))).toContain(
      'wrong end',
    )
    expect(await refusal(forge([good], (body) => body.fill(1, 100, 104)))).toContain(
      'damaged record',
    )
    expect(await refusal(forge([good], (body) => body.fill(1, 40, 44)))).toContain(
      'no sound record',
    )
  })

  it('and takes what is right', async () => {
    const { cache } = await openCache({ memoryBytes: 10_000 })
    const file = forge([
      record(Buffer.from('model'), { kind: 15 }),
      record(floats(8, 1)),
      record(floats(32, 1), { kind: Kind.colbert }),
      record(floats(0, 1), { kind: Kind.colbert, tokenCount: 1, tag: textTag('x') as string }),
      record(sparse([], []), { kind: Kind.sparse }),
    ])
    expect(await cache.importFrom(file)).toMatchObject({ imported: 4 })
    expect(cache.find('model', 'text', ALL, LIMIT)).toEqual({
      tokenCount: 5,
      truncated: false,
      pooled: floats(8, 1),
      colbert: floats(32, 1),
      sparse: sparse([], []),
    })
  })
})
