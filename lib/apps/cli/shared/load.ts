/** An embedder for a command. */

import type { EmbedderInfo } from '../../../common/types.js'
import { Embedder } from '../../../embedder/embedder.js'
import type { OptionValues } from '../../../options/table.js'
import { type CliIo, say } from './io.js'
import { loggerOf } from './logger.js'
import { loadOptions } from './options.js'

/** Loads the model that the options name, the environment names, or `model pull` fetched. */
export function openEmbedder(io: CliIo, values: OptionValues): Promise<Embedder> {
  const logger = loggerOf(io, values.logLevel)
  return Embedder.load({ ...loadOptions(values), logger, signal: io.signal })
}

/** Says so when a model is a stand-in: what comes out of it looks like any other embedding. */
export function announceStandin(io: CliIo, { standin, model }: EmbedderInfo): void {
  if (!standin) return
  say(io, `note: ${model} is a stand-in with random weights: its embeddings mean nothing.`)
}
