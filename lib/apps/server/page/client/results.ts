/** The query's tokens, and a card per passage: its scores and its tokens. */
import { type AnswerPlace, alignmentList } from './alignment.js'
import { bars, MODE_NAMES } from './bars.js'
import { byId, h } from './dom.js'
import { plural, score } from './format.js'
import { type DrawnToken, drawTokens, heaviestWeight, runningText, sharedIds } from './tokens.js'
import { type Comparison, MODES, type Mode, type PassageResult, type Token } from './types.js'

/** Modes that at least one passage has, the most telling first. */
export function modesOf(comparison: Comparison): Mode[] {
  return MODES.filter((mode) =>
    comparison.passages.some(({ scores }) => scores[mode] !== undefined),
  )
}

export function best(comparison: Comparison, mode: Mode): PassageResult | undefined {
  return ranked(comparison, mode)[0]
}

export function showResults(comparison: Comparison, announce: (text: string) => void): void {
  const modes = modesOf(comparison)
  const select = h(
    'select',
    { id: 'rank-by' },
    ...modes.map((mode) => h('option', { value: mode }, MODE_NAMES[mode])),
  )
  const body = h('div', { class: 'ranking' })
  const draw = () => body.replaceChildren(...ranking(comparison, select.value as Mode, announce))
  select.addEventListener('change', draw)
  draw()
  byId('scores').replaceChildren(
    h('div', { class: 'row' }, h('label', { for: 'rank-by' }, 'Rank by'), select),
    body,
  )
}

function ranked({ passages }: Comparison, mode: Mode): PassageResult[] {
  const key = (passage: PassageResult) => passage.scores[mode] ?? Number.NEGATIVE_INFINITY
  return [...passages].sort((a, b) => key(b) - key(a))
}

function ranking(
  comparison: Comparison,
  mode: Mode,
  announce: (text: string) => void,
): HTMLElement[] {
  const { query, queryTruncated, passages } = comparison
  const heaviest = heaviestWeight([query, ...passages.map(({ tokens }) => tokens)])
  const highest = passages.flatMap(({ scores }) => MODES.map((key) => scores[key] ?? 0))
  const full = Math.max(1, ...highest)
  const places: AnswerPlace[] = []
  const cards = ranked(comparison, mode).map((passage) => {
    const { place, card } = passageCard(passage, query, heaviest, full)
    places.push(place)
    return card
  })
  const everywhere = new Set(passages.flatMap(({ tokens }) => [...sharedIds(query, tokens)]))
  const queryTokens = drawTokens(query, heaviest, everywhere)
  for (const { box } of places) reachableWhenItScrolls.observe(box)
  return [
    hint(query, places),
    queryCard(query, queryTokens, queryTruncated, places, announce),
    h('ol', { class: 'cards' }, ...cards),
  ]
}

/** A text that is too long for its box is scrolled with the keyboard; one that fits is no stop. */
const reachableWhenItScrolls = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const box = target as HTMLElement
    if (box.scrollHeight > box.clientHeight) box.tabIndex = 0
    else box.removeAttribute('tabindex')
  }
})

/** Stays in view while one scrolls through the passages, so it holds little. */
function queryCard(
  query: readonly Token[],
  drawn: readonly DrawnToken[],
  truncated: boolean,
  places: readonly AnswerPlace[],
  announce: (text: string) => void,
): HTMLElement {
  return h(
    'div',
    { class: 'card query' },
    h(
      'div',
      { class: 'title' },
      h('h3', { id: 'alignment-title' }, 'Query tokens'),
      truncated && cutNote(query),
    ),
    isAligned(places)
      ? alignmentList(query, drawn, places, announce)
      : h('p', { class: 'tokens', dir: 'auto' }, ...runningText(drawn)),
  )
}

function hint(query: readonly Token[], places: readonly AnswerPlace[]): HTMLElement {
  const lines = ['The texts are shown as the model sees them.']
  if (query.some(({ weight }) => weight !== undefined)) {
    lines.push(
      'The stronger a token’s colour, the heavier its sparse weight; underlined tokens match.',
    )
  }
  if (isAligned(places)) {
    lines.push(
      'Point at a query token, or use the arrow keys, to see which token of each passage answers it.',
    )
  }
  return h('p', { class: 'hint muted' }, lines.join(' '))
}

const isAligned = (places: readonly AnswerPlace[]) =>
  places.some(({ passage }) => passage.answers !== undefined)

function passageCard(
  passage: PassageResult,
  query: readonly Token[],
  heaviest: number,
  full: number,
): { card: HTMLElement; place: AnswerPlace } {
  const shared = sharedIds(query, passage.tokens)
  const drawn = drawTokens(passage.tokens, heaviest, shared)
  const name = `Passage ${passage.number}`
  const box = h(
    'div',
    { class: 'tokens long', dir: 'auto', role: 'group', 'aria-label': `${name}, tokens` },
    ...runningText(drawn),
  )
  const line = h('p', { class: 'answer-line' })
  const card = h(
    'li',
    { class: 'card' },
    h(
      'div',
      { class: 'title' },
      h('h3', {}, name),
      passage.truncated && cutNote(passage.tokens),
      // beside the name, where it moves nothing when it comes
      passage.answers && line,
    ),
    bars(passage.scores, full),
    box,
    matches(query, passage.tokens, shared),
  )
  return { card, place: { passage, elements: drawn.map(({ element }) => element), box, line } }
}

function cutNote(tokens: readonly Token[]): HTMLElement {
  return h('p', { class: 'cut muted' }, `cut to ${plural(tokens.length, 'token')}`)
}

/** What the sparse score adds up, as a table. */
function matches(
  query: readonly Token[],
  passage: readonly Token[],
  shared: ReadonlySet<number>,
): HTMLElement | undefined {
  if (shared.size === 0) return undefined
  const weightIn = (tokens: readonly Token[], id: number) =>
    tokens.find((token) => token.id === id && !token.special) as Token
  const rows = [...shared]
    .map((id) => ({ asked: weightIn(query, id), found: weightIn(passage, id) }))
    .map(({ asked, found }) => {
      const [a, b] = [asked.weight ?? 0, found.weight ?? 0]
      return { text: asked.text.trim(), a, b, product: a * b }
    })
    .sort((x, y) => y.product - x.product)
    .map(({ text, a, b, product }) =>
      h(
        'tr',
        {},
        h('th', { scope: 'row', dir: 'auto' }, text),
        ...[a, b, product].map((value) => h('td', {}, score(value))),
      ),
    )
  const columns = ['Token', 'In the query', 'In the passage', 'Product']
  return h(
    'details',
    {},
    h('summary', {}, `Matching tokens (${shared.size})`),
    h(
      'table',
      { class: 'matches' },
      h('thead', {}, h('tr', {}, ...columns.map((text) => h('th', { scope: 'col' }, text)))),
      h('tbody', {}, ...rows),
    ),
  )
}
