/** Search by id and text, the points found, and their table: the map for those who cannot see it. */

import type { MapData } from '../../shared/data.js'
import { h } from './dom.js'

/** Rows of the table; more would be slow, and nobody reads them. */
const SHOWN = 50

interface MatchEvents {
  changed(): void
  chosen(item: number): void
}

export class Matches {
  /** Items found, in order; `undefined` when nothing is looked for. */
  found: Set<number> | undefined
  readonly element: HTMLElement
  readonly input: HTMLElement
  readonly #field: HTMLInputElement
  readonly #status = h('p', { role: 'status', class: 'note' })
  readonly #rows = h('tbody')
  readonly #lower: string[]

  constructor(
    private readonly data: MapData,
    private readonly on: MatchEvents,
  ) {
    const { ids, texts } = data
    this.#lower = ids.map((id, i) => `${id}\n${texts?.[i] ?? ''}`.toLowerCase())
    const what = texts ? 'Search ids and texts' : 'Search ids'
    this.#field = h('input', {
      type: 'search',
      id: 'map-search',
      autocomplete: 'off',
      oninput: () => this.search(this.#field.value),
      onkeydown: (event) => {
        if ((event as KeyboardEvent).key !== 'Enter') return
        const first = this.found?.values().next().value
        if (first !== undefined) this.on.chosen(first)
      },
    })
    this.input = h('label', { class: 'field grow' }, what, this.#field)
    this.element = h(
      'section',
      { class: 'panel', 'aria-labelledby': 'map-points' },
      h('h3', { id: 'map-points' }, 'Points'),
      this.#status,
      h(
        'div',
        { class: 'scroll', tabindex: 0, role: 'group', 'aria-labelledby': 'map-points' },
        h(
          'table',
          {},
          h(
            'thead',
            {},
            h(
              'tr',
              {},
              h('th', { scope: 'col' }, 'Id'),
              texts && h('th', { scope: 'col' }, 'Text'),
            ),
          ),
          this.#rows,
        ),
      ),
    )
    this.#list()
  }

  search(query: string): void {
    if (this.#field.value !== query) this.#field.value = query
    const words = query.toLowerCase().split(/\s+/).filter(Boolean)
    if (words.length === 0) {
      this.found = undefined
    } else {
      this.found = new Set()
      this.#lower.forEach((text, item) => {
        if (words.every((word) => text.includes(word))) this.found?.add(item)
      })
    }
    this.#list()
    this.on.changed()
  }

  /** Points that were framed. */
  choose(items: readonly number[]): void {
    this.#field.value = ''
    this.found = items.length > 0 ? new Set(items) : undefined
    this.#list()
    this.on.changed()
  }

  clear(): void {
    this.search('')
  }

  /** The item found after or before one, round and round. */
  next(item: number, by: 1 | -1): number {
    const items = this.found ? [...this.found] : [...this.data.ids.keys()]
    if (items.length === 0) return -1
    const at = items.indexOf(item)
    if (at < 0) return items[by === 1 ? 0 : items.length - 1] as number
    return items[(at + by + items.length) % items.length] as number
  }

  mark(item: number): void {
    for (const row of this.#rows.rows) {
      row.classList.toggle('selected', row.dataset.item === String(item))
    }
  }

  #list(): void {
    const { ids, texts } = this.data
    const items = this.found ? [...this.found] : [...ids.keys()]
    const shown = items.slice(0, SHOWN)
    const some = items.length > SHOWN ? `; the first ${SHOWN} are listed` : ''
    this.#status.textContent = this.found
      ? `${items.length.toLocaleString('en-US')} of ${ids.length.toLocaleString('en-US')} points found${some}.`
      : `${ids.length.toLocaleString('en-US')} points${some}.`
    this.#rows.replaceChildren(
      ...shown.map((item) => {
        const button = h(
          'button',
          { type: 'button', class: 'link', onclick: () => this.on.chosen(item) },
          ids[item] as string,
        )
        const row = h('tr', {}, h('td', {}, button), texts && h('td', {}, texts[item] ?? ''))
        row.dataset.item = String(item)
        return row
      }),
    )
  }
}
