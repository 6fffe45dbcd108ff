/** An embedder, a tokenizer or a re-ranker for a command. */

import { InvalidInputError } from '../../../common/errors.js'
import { Embedder } from '../../../embedder/embedder.js'
import { Reranker } from '../../../embedder/reranker.js'
import { Tokenizer } from '../../../embedder/tokenizer.js'
import { ensureModel } from '../../../model/fetch/ensure.js'
import { inspectModel } from '../../../model/inspect.js'
import type { Purpose } from '../../../model/purpose.js'
import type { OptionValues } from '../../../options/table.js'
import { fetchingOf } from './fetching.js'
import type { CliIo } from './io.js'
import { loggerOf } from './logger.js'
import { loadOptions } from './options.js'
import { present } from './present.js'

/** Loads the model that the options name, the environment names, or bge-m3, and fetches it if need be. */
export async function openEmbedder(io: CliIo, values: OptionValues): Promise<Embedder> {
  const model = await modelPath(io, values, 'embed')
  await checkDimensions(model, values)
  const logger = loggerOf(io, values.logLevel)
  return Embedder.load({ ...loadOptions(values), model, logger, signal: io.signal })
}

/** The tokenizer of that model, for what needs no weights. */
export async function openTokenizer(io: CliIo, values: OptionValues): Promise<Tokenizer> {
  return Tokenizer.load({ model: await modelPath(io, values), signal: io.signal })
}

/** A re-ranker: the file that `model` names, or a name, which is fetched if need be. */
export async function openReranker(io: CliIo, values: OptionValues): Promise<Reranker> {
  const { threads, cacheDir, logLevel } = values
  return Reranker.load({
    model: await modelPath(io, values, 'rerank'),
    ...present({ threads, cacheDir }),
    logger: loggerOf(io, logLevel),
    signal: io.signal,
  })
}

/** The file of that model. */
export async function modelPath(
  io: CliIo,
  values: OptionValues,
  purpose?: Purpose,
): Promise<string> {
  const fetching = fetchingOf(io, values)
  try {
    const isVariable = values.model === io.env.BGE_M3_MODEL
    return await ensureModel(isVariable ? undefined : values.model, {
      ...fetching.options,
      purpose,
    })
  } finally {
    fetching.stop()
  }
}

/** The file's header tells the width, long before its weights are read. */
async function checkDimensions(model: string, { dimensions }: OptionValues): Promise<void> {
  if (dimensions === undefined) return
  const { dim } = await inspectModel(model)
  if (dim === undefined || dimensions <= dim) return
  throw new InvalidInputError(
    `The option \`dimensions\` is ${dimensions}, and this model's vectors have ${dim}.`,
  )
}
