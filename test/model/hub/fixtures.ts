/** What the download tests share: bytes, directories, and patience short enough for a test. */

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, vi } from 'vitest'
import type { Patience } from '../../../lib/model/hub/options.js'
import { TestHub } from './test-hub.js'

export const HASTE: Partial<Patience> = {
  baseDelay: 1,
  maxDelay: 4,
  responseTimeout: 2_000,
  stallTimeout: 2_000,
  heartbeat: 50,
  staleAfter: 800,
}

/** Seeded noise (xorshift32), so that a byte in the wrong place shows. */
export function noise(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length)
  let state = seed * 2_654_435_761 || 1
  for (let i = 0; i < length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state
  }
  return bytes
}

/** A hub for the file, and an empty directory and a clean environment for each test. */
export function useHub(): { hub: TestHub; dir: string } {
  const fixture = {} as { hub: TestHub; dir: string }
  beforeAll(async () => {
    fixture.hub = await TestHub.start()
  })
  afterAll(async () => {
    await fixture.hub.stop()
  })
  beforeEach(async () => {
    fixture.dir = await mkdtemp(join(tmpdir(), 'bge-m3-pull-'))
    withoutNetworkSettings()
    const { hub } = fixture
    hub.plan = []
    hub.always = undefined
    hub.etag = undefined
    hub.seen.length = 0
    hub.served = 0
    hub.files.clear()
  })
  afterEach(async () => {
    vi.unstubAllEnvs()
    await rm(fixture.dir, { recursive: true, force: true })
  })
  return fixture
}

/** The tests must not depend on the proxies and tokens of the machine they run on. */
export function withoutNetworkSettings(): void {
  for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY']) {
    vi.stubEnv(name, '')
    vi.stubEnv(name.toLowerCase(), '')
  }
  for (const name of ['HF_ENDPOINT', 'HF_TOKEN', 'HF_HUB_OFFLINE', 'BGE_M3_OFFLINE'])
    vi.stubEnv(name, '')
}

/** Sorted names in a directory. */
export async function namesIn(dir: string): Promise<string[]> {
  return (await readdir(dir)).sort()
}

export async function errorOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new Error('it should have failed')
}

/** `toEqual` takes seconds for buffers of this size. */
export async function expectBytes(path: string, bytes: Buffer): Promise<void> {
  const found = await readFile(path)
  expect(found.length).toBe(bytes.length)
  expect(found.equals(bytes), `${path} has other bytes`).toBe(true)
}
