/** The same texts through several models at once, for A/B. */

import { InvalidInputError } from '../common/errors.js'
import type { Embedding, EmbedOptions, Precision } from '../common/types.js'
import type { Embedder } from './embedder.js'

/** One embedding per name. */
export type NamedEmbeddings<Name extends string, P extends Precision = 'float32'> = Record<
  Name,
  Embedding<P>
>

/**
 * Embeds texts with every embedder in `models`: for each text, in input order, an embedding per name.
 * `options` go to each. Rejects with the first error of any of them.
 */
export async function embedNamed<Name extends string, P extends Precision = 'float32'>(
  models: Readonly<Record<Name, Embedder>>,
  texts: readonly string[],
  options?: EmbedOptions & { precision?: P },
): Promise<NamedEmbeddings<Name, P>[]> {
  const names = Object.keys(models) as Name[]
  if (names.length === 0) throw new InvalidInputError('embedNamed needs at least one embedder.')
  const columns = await Promise.all(
    names.map((name) => models[name].embed<P>(texts, { ...options, onError: 'throw' } as never)),
  )
  return texts.map(
    (_, row) =>
      Object.fromEntries(names.map((name, i) => [name, columns[i]?.[row]])) as NamedEmbeddings<
        Name,
        P
      >,
  )
}
