/**
 * Fills a collection from a stream of texts: what is there already is skipped, the rest embedded, and
 * written batch by batch while the next one is embedded. Memory stays bounded however long the stream is.
 */

import { throwIfAborted } from '../../../common/abort.js'
import {
  checkEmbedder,
  checkFunction,
  checkObject,
  checkRange,
  checkSignal,
  refuseUnknown,
} from '../../../common/given.js'
import type { Chunk } from '../../../common/types.js'
import type { Source } from '../../../embedder/documents/source.js'
import type { Embedder } from '../../../embedder/embedder.js'
import { programLogger } from '../../../options/logger.js'
import { checkCutting, chunked } from '../../chunked.js'
import type { LoadQdrantOptions, LoadQdrantResult } from './load-types.js'
import { QdrantLoader } from './loader.js'
import { QdrantStore, type QdrantStoreOptions, STORE_NAMES } from './store.js'

const OWN_NAMES: Record<Exclude<keyof LoadQdrantOptions, keyof QdrantStoreOptions>, 1> = {
  batchPoints: 1,
  again: 1,
  chunk: 1,
  truncate: 1,
  maxTokens: 1,
  logger: 1,
  onBatch: 1,
  onProgress: 1,
}

/**
 * Resolves when everything is stored or failed. Run again after it was stopped or killed, it embeds what is
 * missing or has another text. Of items with the same id the last one stays.
 *
 * @throws InvalidInputError for a collection that does not fit, before any text is embedded
 * @throws StoreError when the server cannot be reached, or refuses, after all retries
 */
export async function loadQdrant(
  embedder: Embedder,
  source: Source<Chunk>,
  options: LoadQdrantOptions,
): Promise<LoadQdrantResult> {
  checkEmbedder(embedder, 'embed', 'embedStream')
  refuseUnknown(options, [...STORE_NAMES, ...Object.keys(OWN_NAMES)], 'loadQdrant')
  checkRange('batchPoints', options.batchPoints, 1, 10_000)
  checkSignal(options.signal)
  checkFunction('onProgress', options.onProgress)
  checkFunction('onBatch', options.onBatch)
  if (options.logger !== undefined) checkObject(options.logger, '`logger`')
  throwIfAborted(options.signal)
  const ofStore = Object.entries(options).filter(([name]) => STORE_NAMES.includes(name))
  const store = await QdrantStore.open(
    embedder.info,
    Object.fromEntries(ofStore) as unknown as QdrantStoreOptions,
  )
  try {
    // an option that this model cannot serve is found before a collection is created
    const loader = new QdrantLoader(embedder, store, {
      ...options,
      logger: programLogger(options.logger),
    })
    await embedder.embed([], loader.embedOptions)
    const cutting = await checkCutting(options.chunk, embedder, embedder.info.maxTokens)
    await store.prepare()
    const { signal } = options
    const chunks = cutting ? chunked(source, cutting, embedder, signal) : source
    return await loader.run(chunks as Source<Chunk>)
  } finally {
    await store.close()
  }
}
