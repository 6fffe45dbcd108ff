/** Caches for tests: in folders of their own, and in processes of their own. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { buildSync } from 'esbuild'
import { afterEach } from 'vitest'
import { EmbeddingCache } from '../../lib/cache/index.js'
import type { Asked, CachedOutputs, CacheOptions, Limit } from '../../lib/cache/types.js'
import { root } from '../helpers/child.js'

export const DAY = 86_400_000
export const DENSE: Asked = { dense: true, sparse: false, colbert: false }
export const ALL: Asked = { dense: true, sparse: true, colbert: true }
export const LIMIT: Limit = { maxTokens: 8192, truncate: 'error' }

/** Empties itself after each test. */
export function useTemporaryFolders(): (name?: string) => string {
  let made: string[] = []
  afterEach(() => {
    for (const folder of made) fs.rmSync(folder, { recursive: true, force: true })
    made = []
  })
  return (name = 'cache') => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), `bge-m3-${name}-`))
    made.push(folder)
    return folder
  }
}

export interface TestCache {
  cache: EmbeddingCache
  warnings: string[]
  clock: { now: number }
}

export interface TestOptions extends Partial<Omit<CacheOptions, 'warn' | 'now' | 'disk'>> {
  dir?: string
  maxBytes?: number
  clock?: { now: number }
}

/** A cache with a clock that stands still, and that collects its warnings. */
export async function openCache(options: TestOptions = {}): Promise<TestCache> {
  const { dir, maxBytes = 50_000_000, memoryBytes = 0, ttlMs = 30 * DAY } = options
  const clock = options.clock ?? { now: 1_800_000_000_000 }
  const warnings: string[] = []
  const cache = await EmbeddingCache.open({
    memoryBytes,
    ttlMs,
    disk: dir === undefined ? undefined : { dir, maxBytes },
    warn: (message) => warnings.push(message),
    now: () => clock.now,
  })
  return { cache, warnings, clock }
}

/** Numbers that follow from the seed. */
export function floats(length: number, seed: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => Math.fround(Math.sin(seed * 7919 + i * 31) * 3))
}

export function dense(seed: number, dim = 64): CachedOutputs {
  return { tokenCount: 5, truncated: false, pooled: floats(dim, seed) }
}

/** All three outputs. */
export function everything(seed: number, tokenCount = 5, dim = 16): CachedOutputs {
  const count = seed % 4
  return {
    tokenCount,
    truncated: false,
    pooled: floats(dim, seed),
    sparse: {
      indices: Uint32Array.from({ length: count }, (_, i) => i * 1000 + (seed % 999)),
      values: floats(count, seed + 1),
    },
    colbert: floats((tokenCount - 1) * dim, seed + 2),
  }
}

export function filesIn(folder: string): string[] {
  return fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
}

/** `lib/cache` as one JavaScript file that a child process can import. */
export function bundleCache(folder: string): string {
  const outfile = path.join(folder, 'cache.mjs')
  buildSync({
    entryPoints: [path.join(root, 'lib/cache/index.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile,
    logLevel: 'error',
    // lru-cache's ES modules ask for the built-in diagnostics_channel in their own way
    alias: { 'lru-cache': path.join(root, 'node_modules/lru-cache/dist/esm/index.js') },
  })
  return outfile
}
