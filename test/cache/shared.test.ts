/** Two caches of one process on one store: what one does to the files, the other must get along with. */
import fs from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  ALL,
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

const segments = (dir: string) => filesIn(dir).filter((file) => file.endsWith('.seg'))
const index = (dir: string) => filesIn(dir).filter((file) => /index-\d+$/.test(file))

async function fill({ cache }: TestCache, count: number): Promise<void> {
  for (let i = 0; i < count; i++) cache.keep('m', `t${i}`, everything(i), LIMIT)
  await cache.flush()
}

function found({ cache }: TestCache, count: number): number {
  let hits = 0
  for (let i = 0; i < count; i++) {
    const got = cache.find('m', `t${i}`, ALL, LIMIT)
    if (got) hits++
    if (got) expect(got).toEqual(everything(i))
  }
  return hits
}

/** What `#refresh` waits between two looks at other processes' removals. */
const lookAgain = () => new Promise((resolve) => setTimeout(resolve, 2_100))

describe('two caches on one store', () => {
  it('see each other at once', async () => {
    const dir = folder()
    const [a, b] = [await openCache({ dir }), await openCache({ dir })]
    await fill(a, 10)
    expect(found(b, 10)).toBe(10)
    b.cache.invalidate('m')
    expect(found(a, 10)).toBe(0)
    await a.cache.close()
    await b.cache.close()
  })

  it('go on after the other cleared everything', async () => {
    const dir = folder()
    const [a, b] = [await openCache({ dir }), await openCache({ dir })]
    await fill(a, 10)
    await fill(b, 5)
    expect(found(b, 10)).toBe(10)
    b.cache.clear()
    expect(found(a, 10)).toBe(0)
    expect(segments(dir)).toEqual([])
    await fill(a, 10)
    expect(found(b, 10)).toBe(10)
    expect([...a.warnings, ...b.warnings]).toEqual([])
    await a.cache.close()
    await b.cache.close()
  })

  it('find what the other moved to another segment', async () => {
    const dir = folder()
    const [a, b] = [
      await openCache({ dir, maxBytes: 1_000_000 }),
      await openCache({ dir, maxBytes: 1_000_000 }),
    ]
    await fill(a, 20)
    expect(found(b, 20)).toBe(20)
    for (let i = 0; i < 1500; i++) {
      b.cache.keep('n', `x${i}`, dense(i, 256), LIMIT)
      if (i % 50 !== 0) continue
      // a's reads are what keeps its entries; both learn of what happened to the files
      b.clock.now += 1000
      a.clock.now += 1000
      await b.cache.flush()
      expect(found(a, 20)).toBe(20)
      await a.cache.flush()
    }
    expect(found(a, 20)).toBe(20)
    expect([...a.warnings, ...b.warnings]).toEqual([])
    expect(a.cache.stats().disk).toMatchObject({ state: 'on', damaged: 0 })
    await a.cache.close()
    await b.cache.close()
  })

  it('take a removed segment for a miss, not for damage', async () => {
    const dir = folder()
    const { cache, warnings } = await openCache({ dir })
    cache.keep('m', 't', dense(1), LIMIT)
    await cache.flush()
    expect(cache.find('m', 't', DENSE, LIMIT)).toBeDefined()
    const [file = ''] = segments(dir)
    const fd = fs.openSync(file, 'r+')
    fs.unlinkSync(file)
    fs.ftruncateSync(fd)
    fs.closeSync(fd)
    expect(cache.find('m', 't', DENSE, LIMIT)).toBeUndefined()
    expect(cache.stats().disk).toMatchObject({ entries: 0, damaged: 0 })
    expect(warnings).toEqual([])
    await cache.close()
  })

  it('follow the other to a larger index', async () => {
    const dir = folder()
    const a = await openCache({ dir, maxBytes: 1_000_000 })
    await fill(a, 50)
    const b = await openCache({ dir, maxBytes: 500_000_000 })
    expect(index(dir)).toHaveLength(1)
    await lookAgain()
    expect(found(a, 50)).toBe(50)
    a.cache.keep('m', 'new', dense(1), LIMIT)
    await a.cache.flush()
    expect(b.cache.find('m', 'new', DENSE, LIMIT)).toEqual(dense(1))
    expect(index(dir)).toHaveLength(1)
    expect([...a.warnings, ...b.warnings]).toEqual([])
    await a.cache.close()
    await b.cache.close()
  })
})

describe('damage', () => {
  it('is one warning, is counted, and costs the entry only', async () => {
    const dir = folder()
    const opened = await openCache({ dir })
    await fill(opened, 10)
    const [file = ''] = segments(dir)
    const bytes = fs.readFileSync(file)
    // into the first record's data, into the header of another, and its end
    bytes[70] = (bytes[70] as number) ^ 1
    const second = bytes.indexOf('BGC1', 700)
    bytes[second + 20] = (bytes[second + 20] as number) ^ 255
    fs.writeFileSync(file, bytes.subarray(0, -5), { flag: 'r+' })
    fs.truncateSync(file, bytes.length - 5)
    expect(found(opened, 10)).toBe(7)
    expect(opened.cache.stats().disk).toMatchObject({ entries: 27, damaged: 3 })
    expect(opened.warnings).toEqual([
      `The disk cache in ${dir} holds damaged entries; they are dropped and computed anew.`,
    ])
    await fill(opened, 10)
    expect(found(opened, 10)).toBe(10)
    expect(opened.warnings).toHaveLength(1)
    await opened.cache.close()
  })

  it.each([
    ['where the record lies', 57, 4],
    ['when it was made', 40, 1],
  ])('of a slot is found, too: %s', async (_what, offset, bit) => {
    const dir = folder()
    const opened = await openCache({ dir })
    opened.cache.keep('m', 't', dense(1), LIMIT)
    await opened.cache.flush()
    const [file = ''] = index(dir)
    const bytes = fs.readFileSync(file)
    const at = bytes.findIndex((byte) => byte !== 0)
    const slot = at - (at % 64)
    bytes[slot + offset] = (bytes[slot + offset] as number) ^ bit
    fs.writeFileSync(file, bytes, { flag: 'r+' })
    expect(opened.cache.find('m', 't', DENSE, LIMIT)).toBeUndefined()
    expect(opened.cache.stats().disk).toMatchObject({ entries: 0, damaged: 1 })
    expect(opened.warnings).toHaveLength(1)
    await opened.cache.close()
  })

  it('of the data leaves the rest to an index that is made anew', async () => {
    const dir = folder()
    const first = await openCache({ dir })
    for (let i = 0; i < 30; i++) first.cache.keep('m', `t${i}`, dense(i), LIMIT)
    await first.cache.close()
    const [file = ''] = segments(dir)
    const bytes = fs.readFileSync(file)
    // the headers of the second and of the fifth record, and a false beginning in the data of a third
    bytes.fill(0, 320, 340)
    bytes.fill(255, 320 * 4, 320 * 4 + 64)
    bytes.write('BGC1BGC1', 320 * 7 + 100)
    fs.writeFileSync(
      file,
      Buffer.concat([Buffer.from('BGC'), bytes, Buffer.from('BGC1 and no more')]),
    )
    fs.rmSync(index(dir)[0] as string)
    const second = await openCache({ dir })
    const there = Array.from({ length: 30 }, (_, i) => i).filter((i) =>
      second.cache.find('m', `t${i}`, DENSE, LIMIT),
    )
    expect(there).toEqual(
      [0, 2, 3, ...Array.from({ length: 25 }, (_, i) => i + 5)].filter((i) => i !== 7),
    )
    expect(second.cache.find('m', 't9', DENSE, LIMIT)?.pooled).toEqual(floats(64, 9))
    await second.cache.close()
  })
})
