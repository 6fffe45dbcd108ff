/** A text as the tokens the model sees, shaded by their sparse weights. */
import { h, setVariable } from './dom.js'
import { score } from './format.js'
import type { Token } from './types.js'

/** What stands around a text, in both families' vocabularies; others (`[UNK]`) are shown by their names. */
const NAMES: Partial<Record<string, string>> = {
  '<s>': 'start of text',
  '[CLS]': 'start of text',
  '</s>': 'end of text',
  '[SEP]': 'end of text',
}
const SIGNS: Partial<Record<string, string>> = { '<s>': '', '[CLS]': '', '</s>': '⏎', '[SEP]': '⏎' }

/** A token's element, and the space that stands before it. */
export interface DrawnToken {
  element: HTMLElement
  /** Not shaded: a shade that begins with a space looks as if it belonged to the word before. */
  space: string
}

/**
 * One inline element per token. They have no margins or padding: letters of a cursive script join
 * across them as in the plain text.
 *
 * @param shared ids that query and passage have in common, which are underlined
 */
export function drawTokens(
  tokens: readonly Token[],
  heaviest: number,
  shared: ReadonlySet<number>,
): DrawnToken[] {
  return tokens.map((token, i) => {
    const text = textOf(tokens, i)
    const word = text.trimStart()
    const element = h('span', { class: 'token', title: titleOf(token) }, word)
    if (token.special) element.classList.add('special')
    if (token.weight !== undefined && heaviest > 0) {
      setVariable(element, '--weight', Math.min(1, Math.max(0, token.weight / heaviest)))
    }
    if (!token.special && shared.has(token.id)) element.classList.add('shared')
    return { element, space: text.slice(0, text.length - word.length) }
  })
}

/** The tokens as running text, for `append`. */
export function runningText(drawn: readonly DrawnToken[]): (HTMLElement | string)[] {
  return drawn.flatMap(({ space, element }) => (space ? [space, element] : [element]))
}

/** A token in quotation marks, for sentences about it. */
export function quoted(token: Token): string {
  if (token.special) return NAMES[token.text] ?? token.text
  return `“${token.text.trim()}”`
}

export function heaviestWeight(texts: readonly (readonly Token[])[]): number {
  let heaviest = 0
  for (const tokens of texts)
    for (const { weight = 0 } of tokens) heaviest = Math.max(heaviest, weight)
  return heaviest
}

/** Ids with a weight on both sides: what the sparse score adds up. */
export function sharedIds(query: readonly Token[], passage: readonly Token[]): Set<number> {
  const weighted = (tokens: readonly Token[]) =>
    new Set(tokens.filter(({ special, weight = 0 }) => !special && weight > 0).map(({ id }) => id))
  const there = weighted(passage)
  return new Set([...weighted(query)].filter((id) => there.has(id)))
}

function textOf(tokens: readonly Token[], i: number): string {
  const token = tokens[i] as Token
  if (token.special) return SIGNS[token.text] ?? token.text
  // the space before a text's first word is the tokenizer's own
  const first = i === 0 || (i === 1 && (tokens[0] as Token).special)
  return first ? token.text.trimStart() : token.text
}

function titleOf(token: Token): string | undefined {
  if (token.special) return quoted(token)
  return token.weight === undefined ? undefined : `weight ${score(token.weight)}`
}
