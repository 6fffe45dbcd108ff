/** What clients may send to be embedded: texts, or arrays of the model's own token ids. */

import type { Embedding, EmbedOptions, Settled } from '../../../common/types.js'
import { invalidText } from '../../../engine/tokenize.js'
import type { ServerContext } from './context.js'
import { HttpError } from './errors.js'
import type { ServedEmbedder } from './served.js'

export type Inputs = { readonly texts: readonly string[] } | { readonly ids: readonly number[][] }

type CollectOptions = EmbedOptions & { onError: 'collect'; precision: 'float32' }

/**
 * UTF-16 units up to which texts have no more tokens than that: the normaliser turns one character
 * into 18 at most (U+FDFA), and a token has one at least.
 */
const TOKENS_A_UNIT = 18

export function inputCount(inputs: Inputs): number {
  return 'texts' in inputs ? inputs.texts.length : inputs.ids.length
}

/** Tokens of all inputs; texts that are none count as nothing here, embedding them says why. */
export async function inputTokens(
  { embedder, info }: ServerContext,
  inputs: Inputs,
): Promise<number> {
  if ('ids' in inputs) return inputs.ids.reduce((sum, ids) => sum + ids.length, 0)
  const texts = inputs.texts.filter((text) => invalidText(text) === undefined)
  const counts = await embedder.countTokens(texts)
  const most = info.maxTokens
  // over the limit it is cut or refused
  return counts.reduce((sum, count) => sum + Math.min(count, most), 0)
}

/**
 * The limits on a request as a whole.
 *
 * @throws HttpError 400 with `param`
 */
export async function checkInputs(
  context: ServerContext,
  inputs: Inputs,
  param: string,
): Promise<void> {
  const { config } = context
  const count = inputCount(inputs)
  if (count > config.maxItems) {
    throw new HttpError(
      400,
      'too_many_items',
      `'${param}' has ${count} items, and ${config.maxItems} is the limit of a request.`,
      { param },
    )
  }
  if ('texts' in inputs) {
    const units = inputs.texts.reduce((sum, text) => sum + text.length, 0)
    if (units * TOKENS_A_UNIT + 2 * count <= config.maxRequestTokens) return
  }
  const tokens = await inputTokens(context, inputs)
  if (tokens > config.maxRequestTokens) {
    throw new HttpError(
      400,
      'too_many_tokens',
      `'${param}' has ${tokens} tokens, and ${config.maxRequestTokens} is the limit of a request.`,
      { param },
    )
  }
}

/**
 * Embeds texts or token ids: an embedding or an error of each. `<s>` and `</s>` are put around ids that
 * lack them.
 */
export function embedInputs(
  embedder: ServedEmbedder,
  inputs: Inputs,
  options: CollectOptions,
): Promise<Settled<Embedding>[]> {
  if ('texts' in inputs) return embedder.embed(inputs.texts, options)
  return embedder.embedTokens(inputs.ids, options)
}
