import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EmbeddingCache } from '../../../lib/cache/cache.js'
import { storeDir } from '../../../lib/cache/disk/open.js'
import { cli } from './run.js'

const DAY = 86_400_000
const LIMIT = { maxTokens: 100, truncate: 'error' } as const

let home: string
let dir: string
beforeEach(() => {
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'bge-m3-cache-cli-'))
  dir = path.join(home, 'embeddings')
})
afterEach(() => fs.rmSync(home, { recursive: true, force: true }))

async function fill(fingerprint: string, count: number, age = 0, place = dir): Promise<void> {
  const cache = await EmbeddingCache.open({
    memoryBytes: 0,
    disk: { dir: place, maxBytes: 10_000_000 },
    ttlMs: 1000 * DAY,
    warn: (message) => expect(message).toBe(''),
    now: () => Date.now() - age,
  })
  for (let i = 0; i < count; i++) {
    const pooled = Float32Array.of(i, 1, 2, 3)
    cache.keep(fingerprint, `text ${i}`, { tokenCount: 3, truncated: false, pooled }, LIMIT)
  }
  await cache.close()
}

const cache = (...args: string[]) => cli(['cache', ...args, '--cache-dir', home])
const json = async (...args: string[]) => {
  const { code, stdout, stderr } = await cache(...args, '--json')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout)
}

describe('cache --help', () => {
  it.each(['stats', 'clear', 'export', 'import', 'path'])('of %s has an example', async (name) => {
    const { code, stdout } = await cli(['cache', name, '--help'])
    expect(code).toBe(0)
    expect(stdout).toMatch(new RegExp(`^Usage: bge-m3 cache ${name}`))
    expect(stdout).toContain('Examples:\n  # ')
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(105)
  })
})

describe('cache path', () => {
  it('is in the cache directory, or the one that is named', async () => {
    expect(await cache('path')).toEqual({ code: 0, stdout: `${dir}\n`, stderr: '' })
    expect(await json('path')).toEqual({ path: dir })
    const other = path.join(home, 'other')
    expect((await cache('path', '--dir', other)).stdout).toBe(`${other}\n`)
    const env = { BGE_M3_CACHE_DIR: home }
    expect((await cli(['cache', 'path'], { env })).stdout).toBe(`${dir}\n`)
    for (const [value, expected] of [
      ['on', dir],
      ['off', dir],
      [other, other],
    ]) {
      const set = { ...env, BGE_M3_DISK_CACHE: value }
      expect((await cli(['cache', 'path'], { env: set })).stdout).toBe(`${expected}\n`)
    }
  })
})

describe('cache stats', () => {
  it('says that there is none, and makes none', async () => {
    expect(await json('stats')).toEqual({ dir, exists: false, entries: 0, bytes: 0, models: [] })
    const { stdout } = await cache('stats')
    expect(stdout).toContain('(there is none)')
    expect(fs.existsSync(dir)).toBe(false)
  })

  it('counts by model', async () => {
    await fill('model-two', 5, 3 * DAY)
    await fill('model-one', 20)
    const report = await json('stats')
    expect(report).toMatchObject({ dir, exists: true, entries: 25 })
    expect(report.bytes).toBeGreaterThan(25 * 80)
    expect(report.models).toMatchObject([
      { fingerprint: 'model-one', entries: { dense: 20, sparse: 0, colbert: 0 }, bytes: 20 * 80 },
      { fingerprint: 'model-two', entries: { dense: 5, sparse: 0, colbert: 0 } },
    ])
    const { stdout } = await cache('stats')
    expect(stdout).toMatch(/^entries +25$/m)
    expect(stdout).toMatch(/^fingerprint +dense +sparse +colbert +bytes +uses +oldest +last used$/m)
    expect(stdout).toMatch(/^model-one +20 +0 +0 +1\.6 kB +0 +\d{4}-\d\d-\d\d +\d{4}-\d\d-\d\d$/m)
  })
})

describe('cache clear', () => {
  it('removes everything', async () => {
    await fill('m', 10)
    expect(await json('clear')).toMatchObject({ dir, removed: 10 })
    expect(await json('stats')).toMatchObject({ entries: 0, models: [] })
    await fill('m', 3)
    expect((await cache('clear', '--all')).stdout).toMatch(/^3 entries removed, \d.* freed\n$/)
    expect(await json('clear')).toMatchObject({ removed: 0 })
  })

  it('removes what is too old', async () => {
    await fill('old', 5, 31 * DAY)
    await fill('week', 4, 8 * DAY)
    await fill('new', 10)
    expect(await json('clear', '--expired')).toMatchObject({ removed: 5 })
    const env = { BGE_M3_CACHE_TTL: '20d' }
    const none = await cli(['cache', 'clear', '--expired', '--json', '--cache-dir', home], { env })
    expect(JSON.parse(none.stdout)).toMatchObject({ removed: 0 })
    expect(await json('clear', '--expired', '--older-than', '7d')).toMatchObject({ removed: 4 })
    expect(await json('stats')).toMatchObject({ entries: 10 })
  })

  it("removes one model's entries, named by fingerprint or tag, and frees the room", async () => {
    await fill('keep', 10)
    await fill('gone', 500)
    const { freedBytes, removed } = await json('clear', '--fingerprint', 'gone')
    expect(removed).toBe(500)
    expect(freedBytes).toBeGreaterThanOrEqual(500 * 80 - 80)
    const [left] = (await json('stats')).models
    expect(left).toMatchObject({ fingerprint: 'keep', entries: { dense: 10 } })
    expect(await json('clear', '--fingerprint', left.tag)).toMatchObject({ removed: 10 })
    expect(await json('clear', '--fingerprint', 'gone')).toMatchObject({ removed: 0 })
  })

  it('touches nothing when there is none', async () => {
    expect(await json('clear')).toEqual({ dir, removed: 0, freedBytes: 0 })
    expect(fs.existsSync(dir)).toBe(false)
  })

  it('refuses what contradicts itself', async () => {
    for (const args of [
      ['--all', '--expired'],
      ['--expired', '--fingerprint', 'x'],
      ['--older-than', '7d'],
      ['--expired', '--older-than', 'a while'],
    ]) {
      expect(await cache('clear', ...args)).toMatchObject({ code: 2, stdout: '' })
    }
  })

  it('says when the cache cannot be used', async () => {
    fs.mkdirSync(path.join(storeDir(dir), 'index-8'), { recursive: true })
    const { code, stderr } = await cache('clear')
    expect(code).toBe(1)
    expect(stderr).toContain('cannot be written')
    const stats = await cache('stats', '--json')
    expect(JSON.parse(stats.stdout)).toMatchObject({ exists: false })
    expect(stats.stderr).toContain('cannot be used')
  })
})

describe('cache export and import', () => {
  it('move entries from one cache to another', async () => {
    const file = path.join(home, 'file')
    await fill('m', 40)
    const written = await json('export', file)
    expect(written).toEqual({ file, entries: 40, bytes: fs.statSync(file).size })
    await json('clear')
    expect(await json('import', file)).toEqual({ dir, imported: 40, present: 0, expired: 0 })
    const { stdout } = await cache('import', file)
    expect(stdout).toBe('0 entries imported, 40 were there, 0 were too old\n')
    expect(await json('stats')).toMatchObject({ entries: 40, models: [{ fingerprint: 'm' }] })
    expect((await cache('export', file)).stdout).toMatch(/^40 entries, \d/)
  })

  it('say what is wrong', async () => {
    const file = path.join(home, 'file')
    expect(await cache('export', file)).toMatchObject({ code: 1 })
    fs.writeFileSync(file, 'not a cache')
    const { code, stdout, stderr } = await cache('import', file, '--json')
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'CACHE' } })
    expect(stderr).toContain('is no exported cache')
    fs.rmSync(dir, { recursive: true })
    fs.writeFileSync(dir, 'a file in the way')
    expect(await cache('import', file)).toMatchObject({ code: 1, stdout: '' })
  })
})
