/** Caches for tests: in folders of their own, and in processes of their own. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { buildSync } from 'esbuild'
import { afterEach } from 'vitest'
import { EmbeddingCache } from '../../lib/cache/cache.js'
import type { CacheOptions } from '../../lib/cache/entry/types.js'
import { root } from '../helpers/child.js'
import { DAY } from './values.js'

export * from './values.js'

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

export function filesIn(folder: string): string[] {
  return fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
}

function bundle(source: string, outfile: string): string {
  buildSync({
    entryPoints: [path.join(root, source)],
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    outfile,
    logLevel: 'error',
    // esbuild would take its CommonJS form, which asks for built-in modules in a way that ESM has not
    alias: { 'lru-cache': path.join(root, 'node_modules/lru-cache/dist/esm/index.js') },
  })
  return outfile
}

/** `lib/cache` as one JavaScript file that a child process can import. */
export function bundleCache(folder: string): string {
  return bundle('lib/cache/cache.ts', path.join(folder, 'cache.mjs'))
}

/** `program.ts` as one JavaScript file for a child process. */
export function bundleProgram(folder: string): string {
  return bundle('test/cache/program.ts', path.join(folder, 'program.mjs'))
}
