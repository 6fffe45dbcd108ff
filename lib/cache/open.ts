/** A cache without an embedder. */

import { namesOf, refuseUnknown } from '../common/given.js'
import { Log } from '../native/log.js'
import { PRESETS } from '../options/presets.js'
import { resolveOptions } from '../options/table.js'
import type { LoadOptions } from '../options/types.js'
import { EmbeddingCache } from './cache.js'
import { embeddingsDir } from './defaults.js'

/** Options of `openCache`: those of `Embedder.load` that speak of caches. */
export type OpenCacheOptions = Pick<
  LoadOptions,
  'cache' | 'diskCache' | 'diskCacheSize' | 'cacheTtl' | 'cacheDir' | 'logger'
>

const NAMES = namesOf<OpenCacheOptions>({
  cache: 1,
  diskCache: 1,
  diskCacheSize: 1,
  cacheTtl: 1,
  cacheDir: 1,
  logger: 1,
})

/**
 * Opens a cache by itself: in memory, and with `diskCache` on disk as well, where it is shared with all processes that
 * name the same place, embedders among them. A disk that cannot be used is a warning, never an error.
 *
 * @throws InvalidInputError for options
 * @example
 * const cache = await openCache({ diskCache: true, cacheTtl: '7d' })
 */
export async function openCache(options: OpenCacheOptions = {}): Promise<EmbeddingCache> {
  refuseUnknown(options, NAMES, 'openCache')
  const { logger, ...rest } = options
  const { cache, diskCache, diskCacheSize, cacheTtl, cacheDir, preset } = resolveOptions(rest)
  const log = new Log(logger)
  return EmbeddingCache.open({
    memoryBytes: cache ?? PRESETS[preset].cache,
    disk: diskCache === false ? undefined : diskCacheOf(diskCache, diskCacheSize, cacheDir),
    ttlMs: cacheTtl,
    warn: (message) => log.warn(message),
  })
}

/** @param base the `cacheDir` option */
export function diskCacheOf(place: string | true, maxBytes: number, base: string | undefined) {
  return { dir: place === true ? embeddingsDir(base) : place, maxBytes }
}
