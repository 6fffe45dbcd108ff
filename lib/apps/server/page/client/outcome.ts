/** Where results stand: none yet, those of a comparison, or those of texts that have changed since. */
import { MODE_NAMES } from './bars.js'
import { byId } from './dom.js'
import { plural, score } from './format.js'
import { heatmap } from './heatmap.js'
import { best, modesOf, showResults } from './results.js'
import type { Comparison } from './types.js'

const results = byId('results')
const status = byId('status')
const scores = byId('scores')
const map = byId('map-section')
const nothingYet = [...scores.childNodes]

export function showComparing(): void {
  status.textContent = 'Comparing…'
}

export function showComparison(comparison: Comparison): void {
  showResults(comparison, (text) => {
    byId('said').textContent = text
  })
  const texts = comparison.passages.map(({ number, tokens }) => ({
    name: `Passage ${number}`,
    tokens,
  }))
  texts.unshift({ name: 'Query', tokens: comparison.query })
  byId('map').replaceChildren(heatmap(texts, comparison.similarities))
  map.hidden = false
  setStale(false)
  const count = plural(comparison.passages.length, 'passage')
  const time = comparison.milliseconds.toFixed(0)
  status.textContent = `Compared ${count} in ${time} ms.${winner(comparison)}`
}

/** After an error: what is shown, if anything, belongs to an earlier comparison. */
export function showStale(): void {
  const isShown = !map.hidden
  setStale(isShown)
  status.textContent = isShown ? 'These results are those of the comparison before.' : ''
}

export function showNothing(): void {
  setStale(false)
  status.textContent = ''
  scores.replaceChildren(...nothingYet)
  map.hidden = true
}

/** Scrolls to the results unless they begin in view: on a phone they are below the form. */
export function reveal(): void {
  const { top } = results.getBoundingClientRect()
  if (top >= 0 && top < window.innerHeight / 2) return
  const still = matchMedia('(prefers-reduced-motion: reduce)').matches
  results.scrollIntoView({ behavior: still ? 'instant' : 'smooth' })
}

function setStale(stale: boolean): void {
  for (const section of [results, map]) section.classList.toggle('stale', stale)
}

function winner(comparison: Comparison): string {
  const mode = modesOf(comparison)[0]
  const first = mode && best(comparison, mode)
  if (!mode || !first) return ''
  const value = score(first.scores[mode] as number)
  return ` ${MODE_NAMES[mode]} ranks passage ${first.number} first: ${value}.`
}
