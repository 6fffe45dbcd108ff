/** What a model wants in front of a text, by what the text is for. */

/** As sentence-transformers' `prompts` and `default_prompt_name`. */
export interface Prompts {
  /** Name to text, the blank at its end included. */
  readonly texts: Readonly<Record<string, string>>
  /** The name of the one that a text gets when nothing is said; usually there is none. */
  readonly default?: string | undefined
}
