/** The page's start: the form, what it shows, and the live dashboard. */
import { ApiError } from './api.js'
import { showModel } from './banner.js'
import { MODE_NAMES } from './bars.js'
import { compare } from './comparison.js'
import { Composer } from './compose.js'
import { Dashboard } from './dashboard.js'
import { byId } from './dom.js'
import { EXAMPLE } from './example.js'
import { plural, score } from './format.js'
import { heatmap } from './heatmap.js'
import { apiKey, askForKey } from './key.js'
import { best, modesOf, showResults } from './results.js'
import type { Comparison } from './types.js'

const composer = new Composer()
const dashboard = new Dashboard(showModel)
const form = byId<HTMLFormElement>('form')
const status = byId('status')
const error = byId('error')
let running: AbortController | undefined

form.addEventListener('submit', (event) => {
  event.preventDefault()
  void run()
})
form.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return
  event.preventDefault()
  void run()
})
byId('example').addEventListener('click', () => {
  composer.fill(EXAMPLE.query, EXAMPLE.passages)
  void run()
})
byId('key').addEventListener('click', async () => {
  if (await askForKey('Needed only when the server has one.')) dashboard.refresh()
})

async function run(): Promise<void> {
  running?.abort()
  const mine = new AbortController()
  running = mine
  const { query, passages } = composer
  showError('')
  if (query.trim() === '' || passages.length === 0) {
    const missing = query.trim() === '' ? 'a query' : 'at least one passage'
    showError(`There is nothing to compare yet: type ${missing}.`)
    composer.markInvalid(query.trim() === '' ? 0 : 1)
    return
  }
  status.textContent = 'Comparing…'
  form.ariaBusy = 'true'
  const keyBefore = apiKey()
  try {
    show(await compare(query, passages, mine.signal))
    if (apiKey() !== keyBefore) dashboard.refresh()
  } catch (reason) {
    if (mine.signal.aborted) return // another comparison took over
    status.textContent = ''
    const text = reason instanceof ApiError ? reason.text : undefined
    // the server counts what was sent, the form what it shows
    const number = text === 'query' ? 0 : passages[text ?? -1]?.number
    const { message } = reason as Error
    showError(message.replace(/^The passage at index \d+/, `Passage ${number}`))
    composer.markInvalid(number)
  } finally {
    if (running === mine) form.ariaBusy = 'false'
  }
}

function show(comparison: Comparison): void {
  showResults(comparison, (text) => {
    byId('said').textContent = text
  })
  const texts = comparison.passages.map(({ number, tokens }) => ({
    name: `Passage ${number}`,
    tokens,
  }))
  texts.unshift({ name: 'Query', tokens: comparison.query })
  byId('map').replaceChildren(heatmap(texts, comparison.similarities))
  byId('map-section').hidden = false
  const count = plural(comparison.passages.length, 'passage')
  const time = comparison.milliseconds.toFixed(0)
  status.textContent = `Compared ${count} in ${time} ms.${winner(comparison)}`
}

function winner(comparison: Comparison): string {
  const mode = modesOf(comparison)[0]
  const first = mode && best(comparison, mode)
  if (!mode || !first) return ''
  const value = score(first.scores[mode] as number)
  return ` ${MODE_NAMES[mode]} ranks passage ${first.number} first: ${value}.`
}

function showError(message: string): void {
  composer.markInvalid(undefined)
  error.textContent = message
}
