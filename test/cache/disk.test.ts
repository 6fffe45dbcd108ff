import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { META_BYTES } from '../../lib/cache/disk/layout.js'
import { storeDir } from '../../lib/cache/disk/open.js'
import { bucketsFor } from '../../lib/cache/disk/slots.js'
import { DiskStore } from '../../lib/cache/disk/store.js'
import { usageByModel } from '../../lib/cache/disk/usage.js'
import {
  ALL,
  DAY,
  DENSE,
  dense,
  everything,
  filesIn,
  floats,
  LIMIT,
  openCache,
  type TestCache,
  useTemporaryFolders,
} from './helpers.js'

const folder = useTemporaryFolders()

const bytesOf = (dir: string) =>
  filesIn(dir).reduce((sum, file) => {
    const { blocks, size } = fs.statSync(file)
    return sum + Math.min(blocks * 512, size)
  }, 0)

const segments = (dir: string) => filesIn(dir).filter((file) => file.endsWith('.seg'))

function present({ cache }: TestCache, ids: Iterable<number>): number[] {
  return [...ids].filter((i) => cache.find('m', `t${i}`, DENSE, LIMIT) !== undefined)
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

describe('the disk tier', () => {
  it('survives being closed', async () => {
    const dir = folder()
    const first = await openCache({ dir })
    for (let i = 0; i < 100; i++) first.cache.keep('m', `t${i}`, everything(i), LIMIT)
    await first.cache.close()
    expect(first.cache.find('m', 't1', DENSE, LIMIT)).toBeUndefined()
    first.cache.keep('m', 'late', dense(1), LIMIT)
    await first.cache.close()
    const second = await openCache({ dir })
    for (let i = 0; i < 100; i++) {
      expect(second.cache.find('m', `t${i}`, ALL, LIMIT)).toEqual(everything(i))
    }
    expect(second.cache.stats().disk).toMatchObject({ state: 'on', entries: 300, estimated: false })
    expect([...first.warnings, ...second.warnings]).toEqual([])
    await second.cache.close()
  })

  it('is for its owner only, and holds no text', async () => {
    const dir = path.join(folder(), 'a', 'b')
    const umask = process.umask(0)
    try {
      const { cache } = await openCache({ dir, memoryBytes: 100_000 })
      const canary = 'a canary that sings of Zanzibar'
      for (let i = 0; i < 50; i++) cache.keep('fingerprint', `${canary} ${i}`, everything(i), LIMIT)
      await cache.flush()
      cache.find('fingerprint', `${canary} 1`, ALL, LIMIT)
      await cache.exportTo(path.join(dir, 'export'))
      await cache.close()
      const files = filesIn(dir)
      expect(files.length).toBeGreaterThanOrEqual(5)
      for (const file of files) {
        expect((fs.statSync(file).mode & 0o777).toString(8)).toBe('600')
        const content = fs.readFileSync(file)
        for (const needle of [canary, 'Zanzibar', 'canary']) {
          expect(content.includes(needle)).toBe(false)
          expect(content.includes(Buffer.from(needle, 'utf16le'))).toBe(false)
        }
      }
      expect((fs.statSync(storeDir(dir)).mode & 0o777).toString(8)).toBe('700')
      expect((fs.statSync(dir).mode & 0o777).toString(8)).toBe('700')
    } finally {
      process.umask(umask)
    }
  })

  it('closes a folder that was open to others', async () => {
    const dir = folder()
    fs.mkdirSync(storeDir(dir), { recursive: true })
    fs.chmodSync(storeDir(dir), 0o777)
    const { cache } = await openCache({ dir })
    expect((fs.statSync(storeDir(dir)).mode & 0o777).toString(8)).toBe('700')
    await cache.close()
  })

  it('stays within its bytes, and keeps what is used', async () => {
    const dir = folder()
    const opened = await openCache({ dir, maxBytes: 2_000_000 })
    const { cache, clock } = opened
    const hot = range(0, 100)
    let most = 0
    for (let i = 0; i < 6000; i++) {
      clock.now += 1000
      cache.keep('m', `t${i}`, dense(i, 256), LIMIT)
      if (i > 100 && i % 200 === 0) {
        expect(present(opened, hot)).toEqual(hot)
        await cache.flush()
        most = Math.max(most, bytesOf(dir))
      }
    }
    await cache.flush()
    expect(most).toBeLessThanOrEqual(2_000_000)
    expect(most).toBeGreaterThan(1_500_000)
    expect(present(opened, hot)).toEqual(hot)
    // of what was not used, the newest is there and the oldest is not
    expect(present(opened, range(5500, 6000))).toHaveLength(500)
    expect(present(opened, range(100, 3000))).toEqual([])
    const { disk } = cache.stats()
    expect(disk.evictions + disk.entries).toBe(6000)
    expect(disk.damaged).toBe(0)
    await cache.close()
  })

  it('frees at least something when all of it is used', async () => {
    const dir = folder()
    const opened = await openCache({ dir, maxBytes: 1_000_000 })
    for (let i = 0; i < 2000; i++) {
      opened.clock.now += 1000
      opened.cache.keep('m', `t${i}`, dense(i, 256), LIMIT)
      await opened.cache.flush()
      present(opened, [i])
    }
    await opened.cache.flush()
    expect(bytesOf(dir)).toBeLessThanOrEqual(1_000_000)
    expect(present(opened, range(1900, 2000))).toHaveLength(100)
    await opened.cache.close()
  })

  it('gives the least recently used slot of a full bucket away', async () => {
    const dir = folder()
    // the smallest index has 1,024 slots here, and these values are small
    const opened = await openCache({ dir, maxBytes: 1_000_000 })
    const { cache, clock } = opened
    for (let i = 0; i < 4000; i++) {
      clock.now += 1000
      cache.keep('m', `t${i}`, dense(i, 4), LIMIT)
      if (i % 500 === 499) {
        await cache.flush()
        expect(present(opened, range(0, 20))).toHaveLength(20)
        await cache.flush()
      }
    }
    await cache.flush()
    const slots = bucketsFor(1_000_000) * 64
    expect(cache.stats().disk.entries).toBeLessThanOrEqual(slots)
    expect(cache.stats().disk.entries).toBeGreaterThan(slots * 0.9)
    expect(present(opened, range(3800, 4000))).toHaveLength(200)
    await cache.close()
  })

  it('does not keep what is far too large, and says so in its statistics', async () => {
    const { cache } = await openCache({ dir: folder(), maxBytes: 1_000_000 })
    cache.keep('m', 'large', dense(1, 100_000), LIMIT)
    cache.keep('m', 'small', dense(1), LIMIT)
    await cache.flush()
    expect(cache.find('m', 'large', DENSE, LIMIT)).toBeUndefined()
    expect(cache.stats().disk).toMatchObject({ entries: 1, dropped: 1 })
    await cache.close()
  })

  it('expires by itself, and gives the room back', async () => {
    const dir = folder()
    const { cache, clock } = await openCache({ dir, ttlMs: 30 * DAY })
    for (let i = 0; i < 500; i++) cache.keep('m', `t${i}`, dense(i, 1024), LIMIT)
    await cache.flush()
    expect(bytesOf(dir)).toBeGreaterThan(2_000_000)
    for (const file of segments(dir)) fs.utimesSync(file, 1, 1)
    clock.now += 31 * DAY
    cache.keep('m', 'new', dense(1), LIMIT)
    await cache.flush()
    await cache.close()
    const later = await openCache({ dir, clock })
    expect(later.cache.stats().disk.entries).toBe(1)
    expect(segments(dir).reduce((sum, file) => sum + fs.statSync(file).size, 0)).toBeLessThan(
      2_200_000,
    )
    later.clock.now += 3_600_001
    later.cache.keep('m', 'newer', dense(1), LIMIT)
    await later.cache.flush()
    expect(later.cache.find('m', 'new', DENSE, LIMIT)).toBeDefined()
    await later.cache.close()
  })

  it('makes one segment of many small ones', async () => {
    const dir = folder()
    const clock = { now: 1_800_000_000_000 }
    for (let run = 0; run < 12; run++) {
      const { cache } = await openCache({ dir, clock })
      cache.keep('m', `t${run}`, dense(run), LIMIT)
      await cache.close()
    }
    expect(segments(dir)).toHaveLength(12)
    for (const file of segments(dir)) fs.utimesSync(file, 1, 1)
    clock.now += 7_200_000
    const last = await openCache({ dir, clock })
    last.cache.keep('m', 't12', dense(12), LIMIT)
    await last.cache.flush()
    expect(segments(dir)).toHaveLength(1)
    for (let run = 0; run < 13; run++) {
      expect(last.cache.find('m', `t${run}`, DENSE, LIMIT)).toEqual(dense(run))
    }
    expect(last.warnings).toEqual([])
    await last.cache.close()
  })

  it('finds entries again when the index is lost, or grows', async () => {
    const dir = folder()
    const first = await openCache({ dir, maxBytes: 1_000_000 })
    for (let i = 0; i < 300; i++) first.cache.keep('m', `t${i}`, dense(i), LIMIT)
    await first.cache.close()
    const index = () => filesIn(dir).filter((file) => /index-\d+$/.test(file))
    fs.rmSync(index()[0] as string)
    const second = await openCache({ dir, maxBytes: 1_000_000 })
    expect(present(second, range(0, 300))).toHaveLength(300)
    await second.cache.close()
    const small = index()
    const third = await openCache({ dir, maxBytes: 100_000_000 })
    expect(present(third, range(0, 300))).toHaveLength(300)
    await third.cache.close()
    expect(index()).toHaveLength(1)
    expect(index()).not.toEqual(small)
    // a smaller limit keeps the larger index
    const fourth = await openCache({ dir, maxBytes: 1_000_000 })
    expect(present(fourth, range(0, 300))).toHaveLength(300)
    await fourth.cache.close()
    expect(index()).toHaveLength(1)
    expect([second, third, fourth].flatMap(({ warnings }) => warnings)).toEqual([])
  })

  it('goes on when its folder is removed under it', async () => {
    const dir = folder()
    const opened = await openCache({ dir })
    opened.cache.keep('m', 't1', dense(1), LIMIT)
    await opened.cache.flush()
    fs.rmSync(dir, { recursive: true })
    opened.cache.keep('m', 't2', dense(2), LIMIT)
    await opened.cache.flush()
    opened.cache.keep('m', 't3', dense(3), LIMIT)
    await opened.cache.flush()
    expect(present(opened, [1, 2, 3])).toEqual([2, 3])
    expect(opened.warnings).toEqual([])
    await opened.cache.close()
  })

  it('tells what each model left, and frees it', async () => {
    const dir = folder()
    const { cache, clock } = await openCache({ dir })
    for (let i = 0; i < 200; i++) cache.keep('model-a', `t${i}`, everything(i), LIMIT)
    for (let i = 0; i < 50; i++) cache.keep('model-b', `t${i}`, dense(i, 2048), LIMIT)
    await cache.flush()
    cache.find('model-b', 't1', DENSE, LIMIT)
    await cache.close()
    const store = await DiskStore.open({
      dir,
      maxBytes: 50_000_000,
      ttlMs: DAY,
      warn: () => {},
      now: () => clock.now,
    })
    const tag = createHash('sha256').update('model-b').digest('hex').slice(0, 16)
    const usage = await usageByModel(store)
    expect(usage).toMatchObject([
      { tag, fingerprint: 'model-b', entries: { dense: 50, sparse: 0, colbert: 0 }, hits: 1 },
      { fingerprint: 'model-a', entries: { dense: 200, sparse: 200, colbert: 200 }, hits: 0 },
    ])
    expect(usage[0]?.bytes).toBe(50 * (64 + 8192))
    expect(usage[0]).toMatchObject({ oldest: clock.now, newest: clock.now, lastAccess: clock.now })
    expect(store.remove((each) => each === tag)).toBe(50)
    await store.compact()
    expect(await usageByModel(store)).toHaveLength(1)
    expect(segments(dir).reduce((sum, file) => sum + fs.statSync(file).size, 0)).toBeLessThan(
      150_000,
    )
    await store.close()
  })

  it('only looks when it is to be read only', async () => {
    const dir = folder()
    const absent = await DiskStore.open({ ...readOnly(dir), dir: path.join(dir, 'none') })
    expect(absent.stats()).toMatchObject({
      state: 'failed',
      reason: 'there is no store',
      entries: 0,
    })
    expect(fs.existsSync(path.join(dir, 'none'))).toBe(false)
    const { cache, clock } = await openCache({ dir })
    cache.keep('m', 't', dense(1), LIMIT)
    await cache.close()
    const before = filesIn(dir).map((file) =>
      createHash('sha1').update(fs.readFileSync(file)).digest('hex'),
    )
    const store = await DiskStore.open({ ...readOnly(dir), now: () => clock.now + 400 * DAY })
    expect(store.clearExpired()).toBe(0)
    expect(store.stats()).toMatchObject({ state: 'read-only', entries: 1 })
    store.clear()
    await store.compact()
    await store.close()
    await store.close()
    const after = filesIn(dir).map((file) =>
      createHash('sha1').update(fs.readFileSync(file)).digest('hex'),
    )
    expect(after).toEqual(before)
  })

  it('has meta that fits slots and headers', () => {
    expect(META_BYTES).toBe(48)
    expect([bucketsFor(0), bucketsFor(1e6), bucketsFor(1e9), bucketsFor(1e15)]).toEqual([
      8, 16, 16384, 4194304,
    ])
    expect(floats(2, 1)).toHaveLength(2)
  })
})

function readOnly(dir: string) {
  return { dir, maxBytes: 50_000_000, ttlMs: DAY, warn: () => {}, now: Date.now, readOnly: true }
}
