/** Similarities of all texts: a table, so that it is read as one, whose cells are shaded. */
import { h, setVariable } from './dom.js'
import type { Token } from './types.js'

interface MappedText {
  /** `Query`, `Passage 1`. */
  name: string
  tokens: readonly Token[]
}

const START_CHARACTERS = 60

/** @param similarities texts x texts, -1 to 1 */
export function heatmap(
  texts: readonly MappedText[],
  similarities: readonly (readonly number[])[],
): HTMLElement {
  const head = h(
    'tr',
    {},
    h('td', {}),
    ...texts.map(({ name }) => h('th', { scope: 'col' }, shortName(name))),
  )
  const rows = texts.map(({ name, tokens }, i) =>
    h(
      'tr',
      {},
      h(
        'th',
        { scope: 'row' },
        h('span', { class: 'long' }, name),
        h('span', { class: 'start muted', dir: 'auto' }, startOf(tokens)),
      ),
      ...(similarities[i] ?? []).map((value) => cell(value)),
    ),
  )
  const table = h(
    'table',
    { class: 'heatmap' },
    h('caption', { class: 'hidden' }, 'Cosine similarity of every text with every other'),
    h('thead', {}, head),
    h('tbody', {}, ...rows),
  )
  return h(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-labelledby': 'map-title' },
    table,
  )
}

function cell(value: number): HTMLElement {
  const element = h('td', {}, value.toFixed(2))
  if (value < 0) element.classList.add('negative')
  setVariable(element, '--similarity', Math.min(1, Math.abs(value)))
  return element
}

const shortName = (name: string) => name.replace(/^Passage /, '')

function startOf(tokens: readonly Token[]): string {
  let text = ''
  for (const token of tokens) {
    if (token.special) continue
    text += token.text
    if (text.length > START_CHARACTERS) return `${text.trim()}…`
  }
  return text.trim()
}
