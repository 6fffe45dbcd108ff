/** Several processes, killed ones and frozen ones: nothing half-written, nothing lost, no lock left. */

import { existsSync, readFileSync } from 'node:fs'
import { readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { DownloadProgress } from '../../../../lib/common/types.js'
import type { PullOptions } from '../../../../lib/model/hub/options.js'
import { pullModel } from '../../../../lib/model/hub/pull.js'
import { usePullChild } from '../../../model/hub/children.js'
import { expectBytes, HASTE, namesIn, noise, useHub } from '../../../model/hub/fixtures.js'
import { sha256, stallAfter, trickle } from '../../../model/hub/test-hub.js'

const fixture = useHub()
const start = usePullChild()
const content = noise(400_000)

function options(): PullOptions {
  const { hub, dir } = fixture
  const files = [hub.add('m.gguf', content)]
  return { dir, endpoint: hub.endpoint, files, patience: HASTE }
}

/** Waits until so many bytes have been written, not only sent. */
async function partReaches(bytes: number): Promise<void> {
  const { dir } = fixture
  for (;;) {
    const name = (await readdir(dir)).find((entry) => entry.endsWith('.part'))
    if (name !== undefined && (await stat(join(dir, name))).size >= bytes) return
    await sleep(5)
  }
}

/** What must hold at every moment: the file is not there, or it is whole. */
function expectWholeOrAbsent(): boolean {
  const path = join(fixture.dir, 'm.gguf')
  if (!existsSync(path)) return false
  expect(sha256(readFileSync(path))).toBe(sha256(content))
  return true
}

describe('kill -9', () => {
  it('at random moments, dozens of times: each pull goes on where the last one was killed', async () => {
    const { hub, dir } = fixture
    const pulled = options()
    let kills = 0
    let completions = 0
    let resumes = 0
    // Three ways to choose the moment: by time from the start (claiming, hashing), by bytes received
    // (writing), and by time after the last byte (checking, syncing, renaming, recording).
    for (let round = 0; round < 36; round++) {
      const child = { kill: () => {} }
      const bytes = 5_000 + Math.random() * 60_000
      let sent = 0
      hub.always = trickle(8_000, 1, (at) => {
        sent += 8_000
        if (round % 3 === 1 && sent > bytes) child.kill()
        if (round % 3 === 2 && at === content.length) setTimeout(child.kill, Math.random() * 25)
        if (round % 3 === 2 && at < content.length && sent > 300_000) child.kill()
      })
      hub.seen.length = 0
      const running = start(pulled)
      child.kill = () => running.process.kill('SIGKILL')
      await running.started
      if (round % 3 === 0) setTimeout(child.kill, Math.random() * 60)
      const { signal, result, output } = await running.ended
      expect(output).not.toContain('error')
      if (signal === 'SIGKILL') kills++
      if (hub.seen.some((request) => request.headers.range !== undefined)) resumes++
      const isThere = expectWholeOrAbsent()
      if (result !== undefined) {
        expect(isThere).toBe(true)
        completions++
      }
      if (isThere) await rm(join(dir, 'm.gguf'))
    }
    expect(kills).toBeGreaterThan(18)
    expect(resumes).toBeGreaterThan(8)

    hub.always = undefined
    const { result } = await start(pulled).ended
    expect(result?.files[0]?.status).toBe('downloaded')
    await expectBytes(join(dir, 'm.gguf'), content)
    expect(await namesIn(dir)).toEqual(['m.gguf', 'm.gguf.json'])
    console.info(`kill -9: ${kills} kills, ${resumes} resumed runs, ${completions} completed runs`)
  })

  it('of the one that downloads: one of those that wait goes on', async () => {
    const { hub, dir } = fixture
    const pulled = options()
    hub.plan = [stallAfter(100_000)]
    const first = start({ ...pulled, patience: { ...HASTE, stallTimeout: 60_000 } })
    await partReaches(100_000)
    const others = [start(pulled), start(pulled)]
    await Promise.all(others.map((child) => child.started))
    await sleep(100)
    first.process.kill('SIGKILL')
    const results = await Promise.all(others.map((child) => child.ended))
    expect(results.map(({ result }) => result?.files[0]?.status).sort()).toEqual([
      'downloaded',
      'present',
    ])
    expect(hub.downloads).toHaveLength(2)
    expect(hub.downloads[1]?.headers.range).toBe('bytes=100000-')
    await expectBytes(join(dir, 'm.gguf'), content)
    expect(await namesIn(dir)).toEqual(['m.gguf', 'm.gguf.json'])
  })
})

describe('at the same time', () => {
  it('several processes download once', async () => {
    const { hub, dir } = fixture
    const pulled = options()
    hub.always = trickle(20_000, 5)
    const children = Array.from({ length: 4 }, () => start(pulled))
    const results = await Promise.all(children.map((child) => child.ended))
    expect(results.map(({ result }) => result?.files[0]?.status).sort()).toEqual([
      'downloaded',
      'present',
      'present',
      'present',
    ])
    expect(hub.downloads).toHaveLength(1)
    expect(hub.served).toBe(content.length)
    await expectBytes(join(dir, 'm.gguf'), content)
    expect(await namesIn(dir)).toEqual(['m.gguf', 'm.gguf.json'])
  })

  it('several calls in one process download once; one that gives up does not stop the others', async () => {
    const { hub } = fixture
    const pulled = options()
    hub.plan = [stallAfter(100_000)]
    const reason = new Error('enough')
    const controller = new AbortController()
    const first = pullModel({ ...pulled, signal: controller.signal })
    await partReaches(100_000)
    let waiting = 0
    const call = () => {
      let hasWaited = false
      const onProgress = ({ phase }: DownloadProgress) => {
        if (phase !== 'wait' || hasWaited) return
        hasWaited = true
        if (++waiting === 2) controller.abort(reason)
      }
      return pullModel({ ...pulled, onProgress })
    }
    const calls = [first, call(), call()]
    const results = await Promise.allSettled(calls)
    expect(results[0]).toEqual({ status: 'rejected', reason })
    expect(results.slice(1).map((result) => result.status)).toEqual(['fulfilled', 'fulfilled'])
    expect(waiting).toBe(2)
    expect(hub.downloads.map((request) => request.headers.range)).toEqual([
      undefined,
      'bytes=100000-',
    ])
    expectWholeOrAbsent()
    expect(await namesIn(fixture.dir)).toEqual(['m.gguf', 'm.gguf.json'])
  })
})

describe('a frozen process', () => {
  it('is taken over from, and finds the work done when it wakes up', async () => {
    const { hub, dir } = fixture
    const pulled = options()
    hub.plan = [stallAfter(100_000)]
    const frozen = start({ ...pulled, patience: { ...HASTE, stallTimeout: 3_000 } })
    await partReaches(100_000)
    frozen.process.kill('SIGSTOP')
    const second = await start(pulled).ended
    expect(second.result?.files[0]?.status).toBe('downloaded')
    expect(second.result?.files[0]?.transferred).toBe(300_000)
    await expectBytes(join(dir, 'm.gguf'), content)
    frozen.process.kill('SIGCONT')
    const woken = await frozen.ended
    expect(woken.result?.files[0]?.sha256).toBe(sha256(content))
    await expectBytes(join(dir, 'm.gguf'), content)
    expect(await namesIn(dir)).toEqual(['m.gguf', 'm.gguf.json'])
  })
})

describe('what a crash may leave', () => {
  it.each([
    ['an empty lock', ''],
    ['a lock that says nothing', '{"token":'],
    ['a lock of another machine', JSON.stringify({ owner: { pid: 1, host: 'elsewhere' } })],
  ])('%s holds nobody up for longer than its heartbeat', async (_, lock) => {
    const { dir } = fixture
    const pulled = options()
    await writeFile(join(dir, 'm.gguf.lock'), lock)
    const before = performance.now()
    await pullModel({ ...pulled, patience: { ...HASTE, staleAfter: 200 } })
    expect(performance.now() - before).toBeGreaterThan(190)
    expect(await namesIn(dir)).toEqual(['m.gguf', 'm.gguf.json'])
  })

  it('temporary files and parts of other revisions are cleared away; other files are not', async () => {
    const { dir } = fixture
    const pulled = options()
    const ours = [
      'm.gguf.0123456789abcdef.part',
      'm.gguf.0123456789abcdef.part.json',
      'm.gguf.fedcba9876543210.part.json',
      'm.gguf.part.json.01234567.tmp',
      'm.gguf.json.01234567.tmp',
      'm.gguf.lock.0123456789abcdef',
    ]
    const others = ['m.gguf.bak', 'm.gguf.party', 'm2.gguf.part', 'm.gguf.0123.part', 'notes.json']
    for (const name of [...ours, ...others]) await writeFile(join(dir, name), '{"sha256":"x"}')
    await pullModel(pulled)
    expect(await namesIn(dir)).toEqual([...others, 'm.gguf', 'm.gguf.json'].sort())
  })
})
