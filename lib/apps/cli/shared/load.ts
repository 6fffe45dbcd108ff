/** An embedder for a command. */

import { InvalidInputError } from '../../../common/errors.js'
import { Embedder } from '../../../embedder/embedder.js'
import { inspectModel } from '../../../model/inspect.js'
import { findModel } from '../../../model/locations.js'
import type { OptionValues } from '../../../options/table.js'
import type { CliIo } from './io.js'
import { loggerOf } from './logger.js'
import { loadOptions } from './options.js'

/** Loads the model that the options name, the environment names, or `model pull` fetched. */
export async function openEmbedder(io: CliIo, values: OptionValues): Promise<Embedder> {
  await checkDimensions(io, values)
  const logger = loggerOf(io, values.logLevel)
  return Embedder.load({ ...loadOptions(values), logger, signal: io.signal })
}

/** The file's header tells the width, long before its weights are read. */
async function checkDimensions(
  io: CliIo,
  { model, cacheDir, dimensions }: OptionValues,
): Promise<void> {
  if (dimensions === undefined) return
  const { dim } = await inspectModel(await findModel(model, { cacheDir, env: io.env }))
  if (dim === undefined || dimensions <= dim) return
  throw new InvalidInputError(
    `The option \`dimensions\` is ${dimensions}, and this model's vectors have ${dim}.`,
  )
}
