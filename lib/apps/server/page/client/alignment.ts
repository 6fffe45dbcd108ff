/**
 * The ColBERT alignment: point at a query token, or walk over them with the arrow keys, and every
 * passage shows which of its tokens answers.
 */
import { h } from './dom.js'
import { score } from './format.js'
import { type DrawnToken, quoted, runningText } from './tokens.js'
import type { PassageResult, Token } from './types.js'

/** Where one passage shows its answer. */
export interface AnswerPlace {
  passage: PassageResult
  /** Of `passage.tokens`, in order. */
  elements: readonly HTMLElement[]
  /** Scrolls when the passage is long. */
  box: HTMLElement
  /** The answer in words. */
  line: HTMLElement
}

/** Makes the query's token elements a list to walk over. Returns its element. */
export function alignmentList(
  tokens: readonly Token[],
  drawn: readonly DrawnToken[],
  places: readonly AnswerPlace[],
  announce: (text: string) => void,
): HTMLElement {
  const elements = drawn.map(({ element }) => element)
  const answered = (i: number) => places.some(({ passage }) => passage.answers?.[i] !== undefined)
  const options = elements.map((_, i) => i).filter(answered)
  const list = h('div', {
    class: 'tokens',
    dir: 'auto',
    role: 'listbox',
    'aria-orientation': 'horizontal',
    'aria-labelledby': 'alignment-title',
  })
  list.append(...runningText(drawn))
  let focused: number | undefined
  const show = (i: number | undefined) => {
    for (const [j, element] of elements.entries()) {
      element.classList.toggle('active', j === i)
      if (element.role === 'option') element.ariaSelected = String(j === i)
    }
    for (const place of places) showAnswer(place, i, tokens)
  }
  for (const [i, element] of elements.entries()) {
    const position = options.indexOf(i)
    if (position < 0) {
      element.ariaHidden = 'true'
      continue
    }
    element.role = 'option'
    element.ariaLabel = quoted(tokens[i] as Token)
    element.ariaSelected = 'false'
    element.tabIndex = position === 0 ? 0 : -1
    element.addEventListener('pointerenter', () => show(i))
    element.addEventListener('pointerleave', () => show(focused))
    element.addEventListener('click', () => element.focus())
    element.addEventListener('focus', () => {
      for (const j of options) (elements[j] as HTMLElement).tabIndex = j === i ? 0 : -1
      focused = i
      show(i)
      announce(sentence(i, tokens, places))
    })
    element.addEventListener('blur', () => {
      focused = undefined
      show(undefined)
    })
    element.addEventListener('keydown', (event) => {
      const next = neighbour(event.key, position, options.length, isRightToLeft(list))
      if (next === undefined) return
      event.preventDefault()
      elements[options[next] as number]?.focus()
    })
  }
  return list
}

function showAnswer(place: AnswerPlace, i: number | undefined, tokens: readonly Token[]): void {
  const { passage, elements, box, line } = place
  const answer = i === undefined ? undefined : passage.answers?.[i]
  for (const [j, element] of elements.entries()) {
    element.classList.toggle('answer', j === answer?.token)
  }
  if (i === undefined || !answer) {
    line.replaceChildren()
    return
  }
  const element = elements[answer.token]
  if (element) scrollWithin(box, element)
  const from = inLine(tokens[i] as Token)
  const to = inLine(passage.tokens[answer.token] as Token)
  line.replaceChildren(...from, ' → ', ...to, ` ${score(answer.similarity)}`)
}

/** Isolated: a token that is written from right to left must not turn the line or the quotes around. */
function inLine(token: Token): (Node | string)[] {
  return token.special ? [quoted(token)] : ['“', h('bdi', {}, token.text.trim()), '”']
}

/** For a screen reader: what the highlights say, in passage order. */
function sentence(i: number, tokens: readonly Token[], places: readonly AnswerPlace[]): string {
  const parts = [...places]
    .sort((a, b) => a.passage.number - b.passage.number)
    .flatMap(({ passage }) => {
      const answer = passage.answers?.[i]
      if (!answer) return []
      const to = quoted(passage.tokens[answer.token] as Token)
      return [`passage ${passage.number} ${to} ${score(answer.similarity)}`]
    })
  return `${quoted(tokens[i] as Token)}: ${parts.join(', ')}`
}

function neighbour(
  key: string,
  position: number,
  length: number,
  rightToLeft: boolean,
): number | undefined {
  const step = rightToLeft ? -1 : 1
  if (key === 'Home') return 0
  if (key === 'End') return length - 1
  if (key === 'ArrowRight') return clamp(position + step, length)
  if (key === 'ArrowLeft') return clamp(position - step, length)
  if (key === 'ArrowDown') return clamp(position + 1, length)
  if (key === 'ArrowUp') return clamp(position - 1, length)
  return undefined
}

const clamp = (i: number, length: number) => Math.min(length - 1, Math.max(0, i))

const isRightToLeft = (element: HTMLElement) => getComputedStyle(element).direction === 'rtl'

/** Like scrollIntoView, but leaves the page where it is. */
function scrollWithin(box: HTMLElement, element: HTMLElement): void {
  const outer = box.getBoundingClientRect()
  const inner = element.getBoundingClientRect()
  if (inner.top < outer.top) box.scrollTop -= outer.top - inner.top + 8
  else if (inner.bottom > outer.bottom) box.scrollTop += inner.bottom - outer.bottom + 8
}
