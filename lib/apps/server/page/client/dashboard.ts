/** The live dashboard: `GET stats` once a second while the page can be seen, and has the key if one is needed. */
import type { WireStats } from '../../core/wire.js'
import { ApiError, get } from './api.js'
import { byId, h } from './dom.js'
import { CHARTS, type Chart, FACTS } from './readings.js'
import { type Sparkline, sparkline } from './sparkline.js'

const EVERY_MS = 1000

export class Dashboard {
  readonly #charts: { chart: Chart; value: HTMLElement; line: Sparkline }[]
  readonly #facts = FACTS.map((fact) => ({ fact, value: h('dd', {}, '–') }))
  readonly #error = byId('dashboard-error')
  readonly #pause = byId('pause')
  readonly #onReading: (stats: WireStats) => void
  #paused = false
  #reading = false
  #timer: ReturnType<typeof setTimeout> | undefined

  /** @param onReading called with every reading */
  constructor(onReading: (stats: WireStats) => void) {
    this.#onReading = onReading
    this.#charts = CHARTS.map((chart) => ({
      chart,
      value: h('p', { class: 'number' }, '–'),
      line: sparkline(chart.name, chart.top, chart.format),
    }))
    for (const { chart, value, line } of this.#charts) {
      const box = h('div', { class: 'card chart' }, h('h3', {}, chart.name), value, line.element)
      byId('charts').append(box)
    }
    for (const { fact, value } of this.#facts) {
      byId('facts').append(h('div', {}, h('dt', {}, fact.name), value))
    }
    this.#pause.addEventListener('click', () => {
      this.#paused = !this.#paused
      this.#pause.ariaPressed = String(this.#paused)
      this.refresh()
    })
    document.addEventListener('visibilitychange', () => this.refresh())
    this.refresh()
  }

  /** Reads at once if the page wants readings at all, and goes on doing so. */
  refresh(): void {
    clearTimeout(this.#timer)
    if (this.#wanted && !this.#reading) void this.#read()
  }

  get #wanted(): boolean {
    return !this.#paused && document.visibilityState === 'visible'
  }

  async #read(): Promise<void> {
    this.#reading = true
    // a server that hangs must not keep the dashboard from saying so
    const limit = AbortSignal.timeout(10 * EVERY_MS)
    let needsKey = false
    try {
      const stats = (await get('stats', limit)) as WireStats
      if (this.#wanted) this.#show(stats)
      this.#say('')
    } catch (error) {
      needsKey = error instanceof ApiError && error.status === 401
      if (needsKey) this.#say('The readings need the API key.')
      else if (limit.aborted) this.#say('The server does not answer.')
      else this.#say((error as Error).message)
    }
    this.#reading = false
    // without the key the next answer is the same, and one more error in the server's count
    if (this.#wanted && !needsKey) this.#timer = setTimeout(() => void this.#read(), EVERY_MS)
  }

  #show(stats: WireStats): void {
    for (const { chart, value, line } of this.#charts) {
      const number = chart.read(stats)
      value.textContent = number === undefined ? 'none' : chart.format(number)
      if (number !== undefined) line.add(number)
    }
    for (const { fact, value } of this.#facts) value.textContent = fact.read(stats)
    this.#onReading(stats)
  }

  /** Only changes are written: a status that is written is read aloud. */
  #say(text: string): void {
    if (this.#error.textContent !== text) this.#error.textContent = text
  }
}
