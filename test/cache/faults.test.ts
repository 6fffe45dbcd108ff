/** Disks that are full, read-only or damaged. */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { describe, expect, it, type TestContext } from 'vitest'
import { DiskStore } from '../../lib/cache/disk/store.js'
import { entryKey, Kind, ModelKeys, textTag } from '../../lib/cache/entry/key.js'
import { has } from '../helpers/needs.mjs'
import { damagedStores } from './damage.js'
import { DAY, DENSE, dense, floats, LIMIT, openCache, useTemporaryFolders } from './helpers.js'

const folder = useTemporaryFolders()

/** A file system of its own. */
function mount(context: TestContext, bytes: number): string {
  const place = fs.mkdtempSync(path.join(os.tmpdir(), 'bge-m3-mount-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', place], { stdio: 'pipe' })
  context.onTestFinished(() => {
    execFileSync('umount', ['-l', place])
    fs.rmdirSync(place)
  })
  return place
}

describe('a disk that is full', () => {
  it.skipIf(!has('mount'))(
    'is one warning; what is there is still read, and memory goes on',
    async (context) => {
      const dir = path.join(mount(context, 2_000_000), 'cache')
      const { cache, warnings } = await openCache({
        dir,
        memoryBytes: 100_000,
        maxBytes: 50_000_000,
      })
      for (let i = 0; i < 1000; i++) {
        cache.keep('m', `t${i}`, dense(i, 1024), LIMIT)
        if (i % 10 === 0) await cache.flush()
      }
      await cache.flush()
      expect(warnings).toEqual([
        `The disk cache in ${dir} cannot be written (the disk is full); it is only read from here on.`,
      ])
      expect(cache.find('m', 't999', DENSE, LIMIT)).toBeDefined()
      const { disk } = cache.stats()
      expect(disk).toMatchObject({ state: 'read-only', reason: 'the disk is full', damaged: 0 })
      expect(disk.entries).toBeGreaterThan(200)
      for (let i = 0; i < disk.entries - 10; i++) {
        expect(cache.find('m', `t${i}`, DENSE, LIMIT)?.pooled).toEqual(floats(1024, i))
      }
      await cache.close()
      // and so it is for the next process
      const next = await openCache({ dir, maxBytes: 50_000_000 })
      expect(next.cache.find('m', 't1', DENSE, LIMIT)).toBeDefined()
      for (let i = 2000; i < 2100; i++) next.cache.keep('m', `t${i}`, dense(i, 1024), LIMIT)
      await next.cache.flush()
      expect(next.warnings).toHaveLength(1)
      expect(next.cache.find('m', 't1', DENSE, LIMIT)).toBeDefined()
      await next.cache.close()
    },
  )

  it.skipIf(!has('mount'))('from the start is one warning', async (context) => {
    const place = mount(context, 400_000)
    try {
      fs.writeFileSync(path.join(place, 'filler'), Buffer.alloc(1_000_000))
    } catch {
      // until nothing fits any more
    }
    const { cache, warnings } = await openCache({
      dir: path.join(place, 'cache'),
      memoryBytes: 50_000,
    })
    cache.keep('m', 't', dense(1), LIMIT)
    await cache.flush()
    expect(cache.find('m', 't', DENSE, LIMIT)).toBeDefined()
    cache.clear()
    expect(cache.clearExpired()).toBe(0)
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain('the disk is full')
    await cache.close()
  })

  it.skipIf(!has('mount'))('is written again when there is room', async (context) => {
    const place = mount(context, 1_000_000)
    const warnings: string[] = []
    const store = await DiskStore.open({
      dir: place,
      maxBytes: 50_000_000,
      ttlMs: DAY,
      warn: (message) => warnings.push(message),
      now: Date.now,
      retryMs: 0,
    })
    const model = new ModelKeys().of('m')
    const filler = path.join(place, 'filler')
    const put = async (text: string) => {
      const tag = textTag(text) as string
      store.begin()
      store.put(model, tag, Kind.dense, 0, {
        value: floats(1024, 1),
        tokenCount: 3,
        created: Date.now(),
      })
      await store.flush()
      store.begin()
      return store.read(entryKey(model, tag, Kind.dense, 0), model, tag, Kind.dense, 0)
    }
    expect(await put('before')).toBeDefined()
    try {
      fs.writeFileSync(filler, Buffer.alloc(2_000_000))
    } catch {
      // full
    }
    expect(await put('while full')).toBeUndefined()
    expect(store.state).toBe('read-only')
    expect(await put('still full')).toBeUndefined()
    fs.rmSync(filler)
    expect(await put('after')).toBeDefined()
    expect(store.state).toBe('on')
    expect(warnings).toHaveLength(1)
    await store.close()
  })
})

describe('a folder that cannot be written', () => {
  it.skipIf(!has('mount'))('is one warning, and is read', async (context) => {
    const place = mount(context, 4_000_000)
    const first = await openCache({ dir: place })
    for (let i = 0; i < 20; i++) first.cache.keep('m', `t${i}`, dense(i), LIMIT)
    await first.cache.close()
    execFileSync('mount', ['-o', 'remount,ro', place])
    const { cache, warnings, clock } = await openCache({ dir: place, memoryBytes: 50_000 })
    expect(warnings).toEqual([
      `The disk cache in ${place} cannot be written (the file system is read-only); it is only read from here on.`,
    ])
    expect(cache.find('m', 't1', DENSE, LIMIT)).toEqual(dense(1))
    cache.keep('m', 'new', dense(1), LIMIT)
    await cache.flush()
    expect(cache.find('m', 'new', DENSE, LIMIT)).toBeDefined()
    cache.invalidate('m')
    cache.clear()
    clock.now += 100 * DAY
    expect(cache.find('m', 't2', DENSE, LIMIT)).toBeUndefined()
    expect(cache.clearExpired()).toBe(0)
    expect(cache.stats().disk).toMatchObject({ state: 'read-only' })
    await cache.close()
    const empty = await openCache({ dir: path.join(place, 'none') })
    empty.cache.keep('m', 't', dense(1), LIMIT)
    expect(empty.cache.find('m', 't', DENSE, LIMIT)).toBeUndefined()
    await empty.cache.flush()
    expect(empty.warnings).toHaveLength(1)
    expect(empty.cache.stats().disk).toMatchObject({ state: 'failed', entries: 0 })
    await empty.cache.close()
    expect(warnings).toHaveLength(1)
  })

  it('is a file, or lies in one: one warning', async () => {
    const file = path.join(folder(), 'file')
    fs.writeFileSync(file, 'not a folder')
    for (const dir of [file, path.join(file, 'deeper')]) {
      const { cache, warnings } = await openCache({ dir, memoryBytes: 50_000 })
      cache.keep('m', 't', dense(1), LIMIT)
      expect(cache.find('m', 't', DENSE, LIMIT)).toBeDefined()
      await cache.flush()
      expect(warnings).toHaveLength(1)
      expect(warnings[0]).toContain('cannot be used')
      expect(cache.stats().disk.state).toBe('failed')
      await cache.close()
    }
    expect(fs.readFileSync(file, 'utf8')).toBe('not a folder')
  })

  it('has a folder where the index should be: one warning', async () => {
    const dir = folder()
    fs.mkdirSync(path.join(dir, 'v1', 'index-1024'), { recursive: true })
    const { cache, warnings } = await openCache({ dir })
    cache.keep('m', 't', dense(1), LIMIT)
    await cache.flush()
    expect(cache.find('m', 't', DENSE, LIMIT)).toBeUndefined()
    expect(warnings).toHaveLength(1)
    await cache.close()
  })
})

describe('a process with too many files open', () => {
  it.skipIf(!has('fileLimit'))('misses, and goes on when it can', async () => {
    const dir = folder()
    const first = await openCache({ dir })
    first.cache.keep('m', 't', dense(1), LIMIT)
    await first.cache.close()
    const { cache, warnings } = await openCache({ dir })
    // every descriptor that there is
    const open: number[] = []
    try {
      while (open.length < 200_000) open.push(fs.openSync('/dev/null', 'r'))
    } catch {
      // none is left
    }
    const got = cache.find('m', 't', DENSE, LIMIT)
    for (const fd of open) fs.closeSync(fd)
    expect(got).toBeUndefined()
    expect(warnings).toEqual([])
    expect(cache.find('m', 't', DENSE, LIMIT)).toEqual(dense(1))
    await cache.close()
  })
})

damagedStores(100)
