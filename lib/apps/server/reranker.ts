/** The re-ranker that is served beside an embedder. */

import { InvalidInputError } from '../../common/errors.js'
import { shown } from '../../common/given.js'
import { Reranker, type RerankerOptions } from '../../embedder/reranker.js'
import type { LoadOptions } from '../../options/types.js'
import type { LoadedReranker } from './core/context.js'
import type { ServedReranker } from './core/served.js'
import { embedderLogger, type PinoLogger } from './log.js'

/** Options of the embedder that are the re-ranker's, too; `memoryLimit` is for each of them. */
const SHARED = [
  'threads',
  'batchTokens',
  'memoryLimit',
  'maxPending',
  'unloadAfter',
  'cacheDir',
  'download',
  'isa',
  'preset',
  'retry',
  'verify',
  'onProgress',
  'signal',
] as const satisfies readonly (keyof RerankerOptions & keyof LoadOptions)[]

interface Given {
  /** One that is there already; it stays its owner's. */
  reranker?: ServedReranker
  load?: LoadOptions
}

/**
 * Loads the model, or takes the re-ranker that is given, and runs a pair through it.
 *
 * @returns undefined where there is neither
 * @throws what `Reranker.load` throws
 */
export async function openReranker(
  model: string | undefined,
  { reranker: given, load = {} }: Given,
  log: PinoLogger,
): Promise<LoadedReranker | undefined> {
  if (given) return warm(given)
  if (model === undefined) return undefined
  const shared = SHARED.map((name) => [name, load[name]] as const)
  const options: RerankerOptions = {
    logger: embedderLogger(log),
    ...Object.fromEntries(shared.filter(([, value]) => value !== undefined)),
    model,
  }
  const reranker = await Reranker.load(options)
  try {
    return await warm(reranker)
  } catch (error) {
    await reranker.dispose()
    throw error
  }
}

async function warm(model: ServedReranker): Promise<LoadedReranker> {
  await model.warmup()
  // nothing changes it, and a re-ranker that has given its weights back does not say
  return { model, info: model.info }
}

/** @throws InvalidInputError for what is no re-ranker */
export function checkReranker(reranker: unknown): void {
  const { rerank, predict, countTokens } = Object(reranker) as Partial<ServedReranker>
  if ([rerank, predict, countTokens].every((method) => typeof method === 'function')) return
  throw new InvalidInputError(
    `The option \`reranker\` must be what Reranker.load gives, not ${shown(reranker)}.`,
  )
}
