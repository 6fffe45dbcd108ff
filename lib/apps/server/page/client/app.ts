/** The page's start: the form, what it shows, and the live dashboard. */
import type { WireStats } from '../../core/wire.js'
import { ApiError } from './api.js'
import { showModel } from './banner.js'
import { compare } from './comparison.js'
import { Composer } from './compose.js'
import { Dashboard } from './dashboard.js'
import { byId } from './dom.js'
import { EXAMPLE } from './example.js'
import { apiKey, askForKey } from './key.js'
import { reveal, showComparing, showComparison, showNothing, showStale } from './outcome.js'

const composer = new Composer()
const form = byId<HTMLFormElement>('form')
const error = byId('error')
let running: AbortController | undefined
/** Whether the form holds the example, which nobody has compared yet. */
let isFirstSight = true

composer.fill(EXAMPLE.query, EXAMPLE.passages)
const dashboard = new Dashboard(onReading)

form.addEventListener('submit', (event) => {
  event.preventDefault()
  void compareAndReveal()
})
form.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return
  event.preventDefault()
  void compareAndReveal()
})
form.addEventListener('input', () => {
  isFirstSight = false
})
byId('clear').addEventListener('click', () => {
  isFirstSight = false
  running?.abort()
  showError('')
  showNothing()
  composer.clear()
})
byId('key').addEventListener('click', async () => {
  if (await askForKey('Needed only when the server has one.')) dashboard.refresh()
})

/** Readings come once the server answers without asking for a key, so the example opens no dialog. */
function onReading(stats: WireStats): void {
  showModel(stats)
  if (isFirstSight && stats.state === 'ready') void run()
}

async function compareAndReveal(): Promise<void> {
  if (await run()) reveal()
}

/** Resolves to whether there are new results. */
async function run(): Promise<boolean> {
  isFirstSight = false
  running?.abort()
  const mine = new AbortController()
  running = mine
  const { query, passages, truncate } = composer
  showError('')
  if (query.trim() === '' || passages.length === 0) {
    const missing = query.trim() === '' ? 'a query' : 'at least one passage'
    showError(`There is nothing to compare yet: type ${missing}.`)
    composer.markInvalid(query.trim() === '' ? 0 : 1)
    showStale()
    return false
  }
  showComparing()
  form.ariaBusy = 'true'
  const keyBefore = apiKey()
  try {
    showComparison(await compare({ query, passages, truncate }, mine.signal))
    return true
  } catch (reason) {
    if (mine.signal.aborted) return false // another comparison took over
    const text = reason instanceof ApiError ? reason.text : undefined
    // the server counts what was sent, the form what it shows
    const number = text === 'query' ? 0 : passages[text ?? -1]?.number
    showError(inTheFormsWords((reason as Error).message, number))
    composer.markInvalid(number)
    showStale()
    return false
  } finally {
    if (running === mine) form.ariaBusy = 'false'
    if (apiKey() !== keyBefore) dashboard.refresh()
  }
}

function inTheFormsWords(message: string, passage: number | undefined): string {
  return message
    .replace(/^The passage at index \d+/, `Passage ${passage}`)
    .replace('send "truncate": true', 'switch on “Cut long texts”')
}

function showError(message: string): void {
  composer.markInvalid(undefined)
  error.textContent = message
}
