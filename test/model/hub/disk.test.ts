/** A disk that is or becomes full, and directories that may not be written. */

import { execFileSync } from 'node:child_process'
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DownloadError } from '../../../lib/common/errors.js'
import { pullModel } from '../../../lib/model/hub/pull.js'
import { lackOfSpace } from '../../../lib/model/hub/space.js'
import { has } from '../../helpers/needs.mjs'
import { errorOf, expectBytes, HASTE, namesIn, noise, useHub } from './fixtures.js'

const fixture = useHub()

function pull(dir: string, bytes: Buffer) {
  const { hub } = fixture
  const files = [hub.add('m.gguf', bytes)]
  return pullModel({ dir, endpoint: hub.endpoint, files, patience: HASTE })
}

describe.skipIf(!has('mount'))('a full disk', () => {
  let small = ''
  beforeEach(async () => {
    small = join(fixture.dir, 'small')
    await mkdir(small)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small])
  })
  afterEach(() => {
    execFileSync('umount', [small])
  })

  it('is noticed before anything is downloaded', async () => {
    const error = await errorOf(pull(small, noise(2_000_000)))
    expect(error).toBeInstanceOf(DownloadError)
    expect(error.message).toMatch(/Not enough disk space.*2\.0 MB are needed and 1\.0 MB are free/)
    expect(fixture.hub.seen).toHaveLength(0)
    expect(await namesIn(small)).toEqual([])
  })

  it('that fills up on the way keeps what arrived, and the next pull goes on', async () => {
    const { hub } = fixture
    const bytes = noise(700_000)
    const filler = join(small, 'filler')
    hub.plan = [
      async () => {
        await writeFile(filler, noise(600_000))
        return false
      },
    ]
    const error = await errorOf(pull(small, bytes))
    expect(error).toBeInstanceOf(DownloadError)
    expect(error.message).toMatch(/disk is full \(ENOSPC\).*goes on where it stopped/)
    expect(await namesIn(small)).not.toContain('m.gguf')

    await rm(filler)
    const result = await pull(small, bytes)
    expect(result.files[0]?.transferred).toBeLessThan(bytes.length)
    await expectBytes(join(small, 'm.gguf'), bytes)
    expect(await namesIn(small)).toEqual(['m.gguf', 'm.gguf.json'])
  })

  it('that is full to the last byte is a clear error', async () => {
    await writeFile(join(small, 'filler'), Buffer.alloc(2 ** 20)).catch(() => {})
    await expect(pull(small, noise(10))).rejects.toThrow(DownloadError)
    expect((await namesIn(small)).filter((name) => name === 'm.gguf')).toEqual([])
  })
})

describe('a directory that may not be written', () => {
  it('is a clear error', async () => {
    const dir = join(fixture.dir, 'locked')
    await mkdir(dir)
    await chmod(dir, 0o500)
    // Root may write anywhere but into the kernel's own file systems.
    const target = process.getuid?.() === 0 ? '/proc/self' : dir
    const error = await errorOf(pull(target, noise(10)))
    expect(error).toBeInstanceOf(DownloadError)
    expect(error.message).toContain(join(target, 'm.gguf'))
  })
})

describe('lackOfSpace', () => {
  it('knows what fits, and is silent where nothing can be known', async () => {
    expect(await lackOfSpace(fixture.dir, 1)).toBeUndefined()
    const lack = await lackOfSpace(fixture.dir, 2 ** 60)
    expect(lack?.needed).toBe(2 ** 60)
    expect(lack?.available).toBeGreaterThan(0)
    expect(await lackOfSpace(join(fixture.dir, 'nowhere'), 2 ** 60)).toBeUndefined()
    expect(await lackOfSpace('/proc', 2 ** 60)).toBeUndefined()
  })
})
