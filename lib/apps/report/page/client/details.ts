/** The selected point: what it is, and its neighbours in each set. */

import type { MapData } from '../../shared/data.js'
import { number, plain } from '../../shared/format.js'
import { type Column, textOf } from './colours.js'
import { h } from './dom.js'
import type { Neighbour, PointSet } from './sets.js'

const NEIGHBOURS = 10

export class Details {
  readonly element: HTMLElement
  /** Items in all sets: what only one has is no neighbour that the other lost. */
  readonly #common: Uint8Array
  readonly #body = h('div', { 'aria-live': 'polite' })

  constructor(
    private readonly data: MapData,
    private readonly sets: readonly PointSet[],
    private readonly columns: readonly Column[],
    private readonly chosen: (item: number) => void,
  ) {
    this.#common = Uint8Array.from(data.ids, (_, i) => Number(sets.every((set) => set.present[i])))
    this.element = h(
      'section',
      { class: 'panel', 'aria-labelledby': 'map-selected' },
      h('h3', { id: 'map-selected' }, 'Selected point'),
      this.#body,
    )
    this.show(-1)
  }

  show(item: number): void {
    if (item < 0) {
      this.#body.replaceChildren(
        h(
          'p',
          { class: 'note' },
          'Click a point, or choose one from the list. Drag moves or turns the map; the wheel zooms once you have clicked into it; drag with Shift held selects several.',
        ),
      )
      return
    }
    const text = this.data.texts?.[item]
    const lists = this.sets.map((set) =>
      set.present[item] ? set.neighbours(item, NEIGHBOURS, this.#common) : [],
    )
    const shared = this.#shared(lists)
    this.#body.replaceChildren(
      h('p', { class: 'id' }, this.data.ids[item] as string),
      ...(text ? [h('p', { class: 'text' }, text)] : []),
      h(
        'dl',
        {},
        ...this.columns.flatMap((column) => [
          h('dt', {}, column.name),
          h('dd', {}, textOf(column, item, plain)),
        ]),
      ),
      ...(shared
        ? [h('p', {}, `${shared.size} of ${NEIGHBOURS} nearest neighbours are the same.`)]
        : []),
      h('div', { class: 'lists' }, ...lists.map((list, i) => this.#list(list, i, shared))),
    )
  }

  #shared(lists: readonly Neighbour[][]): Set<number> | undefined {
    const [a, b] = lists
    if (!a || !b) return undefined
    const inB = new Set(b.map(({ item }) => item))
    return new Set(a.map(({ item }) => item).filter((item) => inB.has(item)))
  }

  #list(list: readonly Neighbour[], index: number, shared: Set<number> | undefined): HTMLElement {
    const set = this.sets[index] as PointSet
    const name = this.sets.length > 1 ? `Nearest in ${'AB'[index]}` : 'Nearest neighbours'
    const rows = list.map(({ item, distance }) =>
      h(
        'tr',
        { class: shared?.has(item) ? 'shared' : undefined },
        h(
          'td',
          {},
          h(
            'button',
            { type: 'button', class: 'link', onclick: () => this.chosen(item) },
            this.data.ids[item] as string,
          ),
          shared?.has(item) && h('span', { class: 'mark' }, ' in both'),
        ),
        h('td', { class: 'number' }, distance.toFixed(3)),
      ),
    )
    const caption = `${name} (Euclidean, over ${set.dims} principal components with ${number(set.explained * 100)} % of the variance)`
    return h(
      'table',
      {},
      h('caption', {}, caption),
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          h('th', { scope: 'col' }, 'Id'),
          h('th', { scope: 'col', class: 'number' }, 'Distance'),
        ),
      ),
      h('tbody', {}, ...rows),
    )
  }
}
