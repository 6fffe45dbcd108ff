/**
 * What a model wants in front of a text, by what the text is for. As sentence-transformers has it: the prompt
 * and the text are one string, which is tokenized as a whole.
 */

import { InvalidInputError } from '../common/errors.js'
import { shown } from '../common/given.js'
import type { Prompt } from '../common/types.js'

/** As sentence-transformers' `prompts` and `default_prompt_name`. */
export interface Prompts {
  /** Name to text, the blank at its end included. */
  readonly texts: Readonly<Record<string, string>>
  /** The name of the one that a text gets when nothing is said; usually there is none. */
  readonly default?: string | undefined
}

export const NO_PROMPTS: Prompts = { texts: {} }

/** The two sides of retrieval, and what models call them. */
const ROLES: Readonly<Record<string, readonly string[]>> = {
  query: ['query'],
  passage: ['passage', 'document', 'corpus'],
  document: ['document', 'passage', 'corpus'],
}

/**
 * The text that goes in front. A model without a prompt for queries or passages gets its default one, if
 * it has one, as for a text of which nothing is said.
 *
 * @throws InvalidInputError for another name that the model does not have
 */
export function promptText({ texts, default: usual }: Prompts, asked: Prompt | undefined): string {
  if (typeof asked === 'object') return asked.text
  const fallback = usual === undefined ? '' : (texts[usual] ?? '')
  if (asked === undefined) return fallback
  const names = Object.hasOwn(ROLES, asked) ? (ROLES[asked] as readonly string[]) : [asked]
  const name = names.find((one) => Object.hasOwn(texts, one))
  if (name !== undefined) return texts[name] as string
  if (Object.hasOwn(ROLES, asked)) return fallback
  const known = Object.keys(texts).join(', ')
  throw new InvalidInputError(
    `This model has no prompt ${shown(asked)}: ${known === '' ? 'it has none' : `it has ${known}`}. ` +
      'Any text goes in front with { prompt: { text } }.',
  )
}
