/** What clients may send to be embedded: texts, arrays of the model's own token ids, or both mixed. */

import type {
  Embedding,
  EmbedOptions,
  Prompt,
  Settled,
  TokenStates,
} from '../../../common/types.js'
import type { TokenStatesOptions } from '../../../embedder/embedder.js'
import { invalidText } from '../../../engine/tokenize.js'
import { promptText } from '../../../model/prompts.js'
import type { ServerContext } from './context.js'
import { HttpError } from './errors.js'
import type { ServedEmbedder } from './served.js'

type Ids = readonly number[]

export type Inputs =
  | { readonly texts: readonly string[] }
  | { readonly ids: readonly Ids[] }
  | { readonly mixed: readonly (string | Ids)[] }

/** What a member of a body may hold: a text, the ids of one, or an array of such. */
export type GivenInputs = string | Ids | readonly (string | Ids)[]

export function inputsOf(given: GivenInputs): Inputs {
  if (typeof given === 'string') return { texts: [given] }
  if (typeof given[0] === 'number') return { ids: [given as Ids] }
  const list = given as readonly (string | Ids)[]
  if (list.every((one) => typeof one === 'string')) return { texts: list }
  if (list.every((one) => typeof one !== 'string')) return { ids: list }
  return { mixed: list }
}

/**
 * What TEI's endpoints were given, checked.
 *
 * @throws HttpError 400 for an empty text or none, and as `checkInputs`
 */
export async function teiInputs(context: ServerContext, given: GivenInputs): Promise<Inputs> {
  const inputs = inputsOf(given)
  const isEmpty = given.length === 0 || (Array.isArray(given) && given.includes(''))
  if (isEmpty) throw new HttpError(400, 'empty', "'inputs' must not be empty.", { param: 'inputs' })
  await checkInputs(context, inputs, 'inputs')
  context.metrics.items(inputCount(inputs))
  return inputs
}

/** `undefined` where the request does not say: the server's option decides. */
export function truncation(truncate: boolean | null | undefined): 'end' | 'error' | undefined {
  return truncate == null ? undefined : truncate ? 'end' : 'error'
}

/** Texts and ids of a mixed list, each with their positions in it. */
function partsOf(mixed: readonly (string | Ids)[]) {
  const texts: [text: string, at: number][] = []
  const ids: [ids: Ids, at: number][] = []
  mixed.forEach((one, at) => {
    if (typeof one === 'string') texts.push([one, at])
    else ids.push([one, at])
  })
  return { texts, ids }
}

type CollectOptions = EmbedOptions & { onError: 'collect'; precision: 'float32' }

/**
 * UTF-16 units up to which texts have no more tokens than that: the normaliser turns one character
 * into 18 at most (U+FDFA), and a token has one at least.
 */
const TOKENS_A_UNIT = 18

export function inputCount(inputs: Inputs): number {
  if ('texts' in inputs) return inputs.texts.length
  return 'ids' in inputs ? inputs.ids.length : inputs.mixed.length
}

/** A prompt that puts nothing in front: it is there already. */
export const WRITTEN_OUT: Prompt = { text: '' }

/** A query and its passages in one list, each behind the model's prompt for it. */
export function withPrompts(
  { info }: ServerContext,
  query: string,
  passages: readonly string[],
): [query: string, ...passages: string[]] {
  const prompts = { texts: info.prompts, default: info.defaultPrompt }
  const before = promptText(prompts, 'passage')
  return [promptText(prompts, 'query') + query, ...passages.map((text) => before + text)]
}

/** Code points of the texts. */
export function inputCharacters(inputs: Inputs): number {
  const list = 'texts' in inputs ? inputs.texts : 'mixed' in inputs ? inputs.mixed : []
  let count = 0
  for (const one of list) {
    if (typeof one !== 'string') continue
    count += one.length
    for (const [pair] of one.matchAll(/[\ud800-\udbff][\udc00-\udfff]/g)) count -= pair.length - 1
  }
  return count
}

/**
 * Tokens of all inputs; texts that are none count as nothing here, embedding them says why.
 *
 * @param most what a text over it counts as: embedding cuts or refuses it, so it is read no further
 */
export async function inputTokens(
  context: ServerContext,
  inputs: Inputs,
  most = context.info.maxTokens,
): Promise<number> {
  const { embedder } = context
  if ('mixed' in inputs) {
    const { texts, ids } = partsOf(inputs.mixed)
    const of = await inputTokens(context, { texts: texts.map(([text]) => text) }, most)
    return of + (await inputTokens(context, { ids: ids.map(([one]) => one) }, most))
  }
  if ('ids' in inputs) return inputs.ids.reduce((sum, ids) => sum + ids.length, 0)
  const texts = inputs.texts.filter((text) => invalidText(text) === undefined)
  const counts = await embedder.countTokens(texts, { atMost: most })
  return counts.reduce((sum, count) => sum + Math.min(count, most), 0)
}

/**
 * The limits on a request as a whole.
 *
 * @param most see `inputTokens`
 * @throws HttpError 400 with `param`
 */
export async function checkInputs(
  context: ServerContext,
  inputs: Inputs,
  param: string,
  most?: number,
): Promise<void> {
  const { config } = context
  const count = inputCount(inputs)
  checkCount(context, count, param)
  if ('texts' in inputs) {
    const units = inputs.texts.reduce((sum, text) => sum + text.length, 0)
    if (units * TOKENS_A_UNIT + 2 * count <= config.maxRequestTokens) return
  }
  checkTokens(context, await inputTokens(context, inputs, most), param)
}

/** @throws HttpError 400 with `param` for more items than a request may have */
export function checkCount({ config }: ServerContext, count: number, param: string): void {
  if (count <= config.maxItems) return
  throw new HttpError(
    400,
    'too_many_items',
    `'${param}' has ${count} items, and ${config.maxItems} is the limit of a request.`,
    { param },
  )
}

/** @throws HttpError 400 with `param` for more tokens than a request may have */
export function checkTokens({ config }: ServerContext, tokens: number, param: string): void {
  if (tokens <= config.maxRequestTokens) return
  throw new HttpError(
    400,
    'too_many_tokens',
    `'${param}' has ${tokens} tokens, and ${config.maxRequestTokens} is the limit of a request.`,
    { param },
  )
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
  return eachKind(
    inputs,
    (texts) => embedder.embed(texts, options),
    (ids) => embedder.embedTokens(ids, options),
  )
}

/** The token states of texts or token ids, as `embedInputs`. */
export function statesOfInputs(
  embedder: ServedEmbedder,
  inputs: Inputs,
  options: TokenStatesOptions<'collect'>,
): Promise<Settled<TokenStates>[]> {
  const states = (some: readonly (string | Ids)[]) => embedder.tokenStates(some, options)
  return eachKind(inputs, states, states)
}

async function eachKind<T>(
  inputs: Inputs,
  ofText: (texts: readonly string[]) => Promise<T[]>,
  ofId: (ids: readonly Ids[]) => Promise<T[]>,
): Promise<T[]> {
  if ('texts' in inputs) return ofText(inputs.texts)
  if ('ids' in inputs) return ofId(inputs.ids)
  const { texts, ids } = partsOf(inputs.mixed)
  const [ofTexts, ofIds] = await Promise.all([
    ofText(texts.map(([text]) => text)),
    ofId(ids.map(([one]) => one)),
  ])
  const results: T[] = new Array(inputs.mixed.length)
  texts.forEach(([, at], i) => {
    results[at] = ofTexts[i] as T
  })
  ids.forEach(([, at], i) => {
    results[at] = ofIds[i] as T
  })
  return results
}
