/** Scores as bars, with their names and numbers as text. */
import { h, setVariable } from './dom.js'
import { score } from './format.js'
import { MODES, type Mode } from './types.js'

export const MODE_NAMES: Record<Mode, string> = {
  'colbert+sparse+dense': 'All three',
  'sparse+dense': 'Sparse + dense',
  dense: 'Dense',
  sparse: 'Sparse',
  colbert: 'ColBERT',
}

/** @param full the score that fills a bar */
export function bars(scores: Partial<Record<Mode, number>>, full: number): HTMLElement {
  const rows = MODES.filter((mode) => scores[mode] !== undefined).map((mode) => {
    const value = scores[mode] as number
    const fill = h('span', { class: 'fill' })
    setVariable(fill, '--share', Math.min(1, Math.max(0, value / full)))
    return h(
      'li',
      { 'data-mode': mode },
      h('span', { class: 'name' }, MODE_NAMES[mode]),
      h('span', { class: 'bar', 'aria-hidden': 'true' }, fill),
      h('span', { class: 'value' }, score(value)),
    )
  })
  return h('ul', { class: 'bars' }, ...rows)
}
