/** An embedder for a command. */

import { Embedder } from '../../../embedder/embedder.js'
import type { OptionValues } from '../../../options/table.js'
import type { CliIo } from './io.js'
import { loggerOf } from './logger.js'
import { loadOptions } from './options.js'

/** Loads the model that the options name, the environment names, or `model pull` fetched. */
export function openEmbedder(io: CliIo, values: OptionValues): Promise<Embedder> {
  const logger = loggerOf(io, values.logLevel)
  return Embedder.load({ ...loadOptions(values), logger, signal: io.signal })
}
