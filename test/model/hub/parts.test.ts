/** The small pieces on their own: back-off, Retry-After, progress, URLs, headers, locks, owners. */

import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { InvalidInputError } from '../../../lib/common/errors.js'
import type { DownloadProgress } from '../../../lib/common/types.js'
import { lengthOf, parseContentRange } from '../../../lib/model/hub/answer.js'
import { NetworkError } from '../../../lib/model/hub/http.js'
import { fileUrl, findHub, publicUrl } from '../../../lib/model/hub/hub.js'
import { Lock } from '../../../lib/model/hub/lock.js'
import { PATIENCE } from '../../../lib/model/hub/options.js'
import { isGone, parseOwner, thisProcess } from '../../../lib/model/hub/owner.js'
import { ProgressMeter } from '../../../lib/model/hub/progress.js'
import { backOff, parseRetryAfter, withRetries } from '../../../lib/model/hub/retry.js'
import { namesIn, useHub } from './fixtures.js'

const fixture = useHub()

describe('backOff', () => {
  it('doubles up to the limit, with jitter of at most half', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), (failures) => {
        const full = Math.min(PATIENCE.maxDelay, PATIENCE.baseDelay * 2 ** (failures - 1))
        const delay = backOff(failures, PATIENCE)
        expect(delay).toBeGreaterThanOrEqual(full / 2)
        expect(delay).toBeLessThanOrEqual(full)
      }),
    )
    expect(new Set(Array.from({ length: 20 }, () => backOff(3, PATIENCE))).size).toBeGreaterThan(1)
  })
})

describe('parseRetryAfter', () => {
  const now = Date.UTC(2025, 0, 1)
  it.each([
    ['7', 7_000],
    [' 0 ', 0],
    ['Wed, 01 Jan 2025 00:00:30 GMT', 30_000],
    ['Tue, 31 Dec 2024 00:00:00 GMT', 0],
    ['soon', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%j is %s', (header, milliseconds) => {
    expect(parseRetryAfter(header, now)).toBe(milliseconds)
  })
})

describe('withRetries', () => {
  const patience = { ...PATIENCE, retries: 3, firstRetries: 1, baseDelay: 0 }
  const giveUp = (error: NetworkError, answered: boolean) =>
    new Error(`gave up: ${error.code} ${answered}`)

  it('does not retry what is not a network error', async () => {
    const attempt = vi.fn(() => Promise.reject(new TypeError('bug')))
    await expect(withRetries(attempt, { patience, giveUp })).rejects.toThrow(TypeError)
    expect(attempt).toHaveBeenCalledOnce()
  })

  it('gives up sooner as long as nothing ever answered', async () => {
    const silent = vi.fn(() => Promise.reject(new NetworkError('ENOTFOUND', '')))
    await expect(withRetries(silent, { patience, giveUp })).rejects.toThrow('ENOTFOUND false')
    expect(silent).toHaveBeenCalledTimes(2)
    let calls = 0
    const once = vi.fn(() =>
      Promise.reject(new NetworkError('ECONNRESET', '', { answered: ++calls === 1 })),
    )
    await expect(withRetries(once, { patience, giveUp })).rejects.toThrow('ECONNRESET true')
    expect(once).toHaveBeenCalledTimes(4)
  })

  it('has no limit as long as it gets on, and counts only what is more than ever', async () => {
    let bytes = 0
    const steps = [5, 0, 0, 6, 0, 5, 7, 0, 0, 0]
    const attempt = vi.fn(() => {
      bytes = steps[attempt.mock.calls.length - 1] ?? 0
      return Promise.reject(new NetworkError('CUT', '', { answered: true }))
    })
    const options = { patience, giveUp, progress: () => bytes }
    await expect(withRetries(attempt, options)).rejects.toThrow('gave up')
    // the last new byte came with attempt 7
    expect(attempt).toHaveBeenCalledTimes(7 + 3)
  })
})

describe('ProgressMeter', () => {
  function meter() {
    const clock = { time: 0 }
    const events: DownloadProgress[] = []
    const about = { file: 'f', index: 0, count: 1, total: 1_000_000 }
    const progress = new ProgressMeter(
      about,
      (event) => events.push(event),
      () => clock.time,
    )
    return { clock, events, progress }
  }

  it('reports the rate of the last seconds, not of bytes that were there before', () => {
    const { clock, events, progress } = meter()
    progress.update('check', 500_000)
    progress.update('download', 500_000)
    for (let i = 1; i <= 100; i++) {
      clock.time += 100
      progress.update('download', 500_000 + i * 1_000)
    }
    expect(events.at(-1)?.rate).toBeCloseTo(10_000)
    expect(events.at(-1)?.eta).toBeCloseTo(40_000)
    for (let i = 1; i <= 60; i++) {
      clock.time += 100
      progress.update('download', 600_000 + i * 2_000)
    }
    expect(events.at(-1)?.rate).toBeCloseTo(20_000)
  })

  it('reports ten times a second at most, but every change of phase and the end', () => {
    const { clock, events, progress } = meter()
    for (let i = 0; i < 1_000; i++) {
      clock.time += 1
      progress.update('download', i)
    }
    expect(events.length).toBeLessThanOrEqual(11)
    progress.update('check', 1_000)
    progress.update('done', 1_000_000)
    expect(events.slice(-2).map((event) => event.phase)).toEqual(['check', 'done'])
  })

  it('has no rate when nothing moved or bytes were thrown away', () => {
    const { clock, events, progress } = meter()
    progress.update('download', 900)
    clock.time += 200
    progress.update('download', 0)
    expect(events.at(-1)).toMatchObject({ rate: 0, eta: undefined, received: 0 })
  })

  it('costs nothing without a listener', () => {
    const about = { file: 'f', index: 0, count: 1, total: 1 }
    expect(() => new ProgressMeter(about, undefined).update('done', 1)).not.toThrow()
  })
})

describe('the hub', () => {
  const file = { name: 'm.gguf', repository: 'owner/re po', revision: 'refs/pr/1', path: 'a b/c#d' }

  it('is the public one unless something else is named; empty variables name nothing', () => {
    const hub = findHub({}, { HF_ENDPOINT: '', HF_TOKEN: ' ', HF_HUB_OFFLINE: '0' })
    expect(hub).toMatchObject({ token: undefined, offline: false })
    expect(fileUrl(hub, { ...file, path: 'x.gguf' }).href).toMatch(
      /^https:\/\/[\w.]+\/owner\/re%20po\/resolve\/refs%2Fpr%2F1\/x\.gguf$/,
    )
  })

  it('is named by an option before the environment', () => {
    const env = { HF_ENDPOINT: 'http://env.example', HF_TOKEN: 'env', HF_HUB_OFFLINE: 'ON' }
    const named = { endpoint: 'https://option.example/hub//?q#f', token: 'option', offline: false }
    const hub = findHub(named, env)
    expect(hub).toMatchObject({ token: 'option', offline: false })
    expect(fileUrl(hub, file).href).toBe(
      'https://option.example/hub/owner/re%20po/resolve/refs%2Fpr%2F1/a%20b/c%23d',
    )
    expect(findHub({}, env)).toMatchObject({ token: 'env', offline: true })
  })

  it.each([
    [{ endpoint: 'nonsense' }, {}, 'The option `endpoint`'],
    [{ endpoint: 'ftp://x' }, {}, 'The option `endpoint`'],
    [{}, { HF_ENDPOINT: 'file:///etc' }, 'HF_ENDPOINT'],
    [{ token: 'a\r\nx: y' }, {}, 'The option `token`'],
    [{}, { HF_TOKEN: 'two words' }, 'HF_TOKEN'],
  ])('%j %j is refused by name', (options, env, source) => {
    expect(() => findHub(options, env)).toThrow(InvalidInputError)
    expect(() => findHub(options, env)).toThrow(source)
  })

  it('shows URLs without credentials and signatures', () => {
    expect(publicUrl(new URL('https://user:pass@h.example/p?X-Signature=s#f'))).toBe(
      'https://h.example/p',
    )
  })
})

describe('headers', () => {
  it.each([
    ['bytes 5-9/10', { start: 5, total: 10 }],
    ['bytes 5-9/*', { start: 5, total: undefined }],
    ['bytes */10', { start: undefined, total: 10 }],
    ['bytes 5-9', undefined],
    ['octets 5-9/10', undefined],
    [undefined, undefined],
  ])('Content-Range %j', (header, range) => {
    expect(parseContentRange(header)).toEqual(range)
  })

  it('counts are digits and nothing else', () => {
    expect([lengthOf('10'), lengthOf('-1'), lengthOf('1e3'), lengthOf(undefined)]).toEqual([
      10,
      undefined,
      undefined,
      undefined,
    ])
  })
})

describe('Lock', () => {
  const patience = { heartbeat: 20, staleAfter: 150 }
  const path = () => join(fixture.dir, 'f.lock')

  it('is held by one at a time, and leaves nothing', async () => {
    let inside = 0
    let most = 0
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        const lock = await Lock.acquire(path(), { patience })
        most = Math.max(most, ++inside)
        await new Promise((resolve) => setTimeout(resolve, 5))
        inside--
        await lock.release()
      }),
    )
    expect(most).toBe(1)
    expect(await namesIn(fixture.dir)).toEqual([])
  })

  it('is not taken from an owner whose heart beats', async () => {
    const lock = await Lock.acquire(path(), { patience })
    const onWait = vi.fn()
    const signal = AbortSignal.timeout(500)
    await expect(Lock.acquire(path(), { patience, signal, onWait })).rejects.toMatchObject({
      name: 'TimeoutError',
    })
    expect(onWait).toHaveBeenCalled()
    await lock.release()
  })

  it('is taken from a process that is gone, however fresh', async () => {
    const child = spawn(process.execPath, ['-e', ''])
    await new Promise((resolve) => child.on('close', resolve))
    const owner = { ...thisProcess(), pid: child.pid }
    await writeFile(path(), JSON.stringify({ token: 'x', owner }))
    const lock = await Lock.acquire(path(), { patience: { heartbeat: 1_000, staleAfter: 60_000 } })
    await lock.release()
  })

  it('once lost, is not touched by its former owner', async () => {
    const lock = await Lock.acquire(path(), { patience })
    await writeFile(path(), 'somebody else')
    await new Promise((resolve) => setTimeout(resolve, 60))
    await lock.release()
    expect(await readFile(path(), 'utf8')).toBe('somebody else')
  })
})

describe('owners', () => {
  it('are gone only if that is certain', async () => {
    const child = spawn(process.execPath, ['-e', ''])
    await new Promise((resolve) => child.on('close', resolve))
    const pid = child.pid ?? 0
    expect(isGone({ ...thisProcess(), pid })).toBe(true)
    expect(isGone({ pid, host: 'another machine' })).toBe(false)
    expect(isGone(thisProcess())).toBe(false)
    expect(isGone(undefined)).toBe(false)
  })

  it('are read with care', () => {
    expect(parseOwner(thisProcess())).toEqual(thisProcess())
    for (const wrong of [
      null,
      1,
      {},
      { pid: -1, host: 'h' },
      { pid: 1.5, host: 'h' },
      { pid: 1 },
    ]) {
      expect(parseOwner(wrong)).toBeUndefined()
    }
  })
})
