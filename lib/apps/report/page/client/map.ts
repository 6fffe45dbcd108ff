/** The map: controls, one view per set, and what is known of the selected point. */

import type { Layout, MapData } from '../../shared/data.js'
import { type Column, colourItems, columnOf } from './colours.js'
import { Details } from './details.js'
import { h, onTheme } from './dom.js'
import { listen } from './gestures.js'
import { Legend } from './legend.js'
import { Matches } from './matches.js'
import { Scatter } from './scatter.js'
import { PointSet } from './sets.js'

interface View {
  set: PointSet
  scatter: Scatter
}

export class EmbeddingMap {
  readonly views: View[]
  readonly columns: Column[]
  method: Layout['method']
  dims: 2 | 3 = 2
  column: Column | undefined
  readonly #legend: Legend
  readonly #matches: Matches
  readonly #details: Details
  readonly #layout = h('select', {
    id: 'map-layout',
    onchange: () => this.layOut(this.#layout.value as Layout['method'], this.dims),
  })
  readonly #colour = h('select', {
    id: 'map-colour',
    onchange: () => this.colourBy(this.#colour.value),
  })
  readonly #radios = ([2, 3] as const).map((dims) =>
    h('input', {
      type: 'radio',
      name: 'map-dims',
      value: dims,
      onchange: () => this.layOut(this.method, dims),
    }),
  )
  readonly #tip = h('div', { class: 'tip', hidden: true })

  constructor(
    root: HTMLElement,
    readonly data: MapData,
  ) {
    this.columns = data.attributes.map(columnOf)
    this.column = this.columns[0]
    const sets = data.sets.map((set) => new PointSet(set))
    this.method = sets[0]?.layouts.some((one) => one.method === 'umap') ? 'umap' : 'pca'
    this.#legend = new Legend(data.ids.length, () => this.#restyle())
    this.#matches = new Matches(data, {
      changed: () => this.#restyle(),
      chosen: (item) => this.select(item),
    })
    this.#details = new Details(data, sets, this.columns, (item) => this.select(item))
    const frames = sets.map((set, i) => this.#frame(set, i, sets.length))
    this.views = frames.map(({ view }) => view)
    root.append(
      this.#controls(),
      h('div', { class: `views views-${sets.length}` }, ...frames.map(({ element }) => element)),
      this.#legend.element,
      h('div', { class: 'beside' }, this.#matches.element, this.#details.element),
      this.#tip,
    )
    onTheme(() => this.#recolour())
    this.layOut(this.method, this.dims)
    this.#recolour()
  }

  layOut(method: Layout['method'], dims: 2 | 3): void {
    this.method = method
    this.dims = dims
    this.#layout.value = method
    for (const radio of this.#radios) radio.checked = radio.value === String(dims)
    for (const { set, scatter } of this.views) scatter.show(set.points(method, dims))
  }

  colourBy(name: string): void {
    const column = this.columns.find((one) => one.name === name)
    if (!column) return
    this.column = column
    this.#colour.value = name
    this.#recolour()
  }

  search(query: string): void {
    this.#matches.search(query)
  }

  /** @param item -1 for none */
  select(item: number): void {
    for (const { scatter } of this.views) {
      scatter.selected = item
      scatter.draw()
    }
    this.#details.show(item)
    this.#matches.mark(item)
  }

  #recolour(): void {
    if (this.column) this.#legend.show(this.column)
    this.#restyle()
  }

  #restyle(): void {
    const items = this.data.ids.length
    const colours = this.column ? colourItems(this.column, items) : new Uint32Array(items)
    const found = this.#matches.found
    for (const { set, scatter } of this.views) {
      const emphasis = new Uint8Array(items)
      for (let i = 0; i < items; i++) {
        if (!set.present[i] || !this.#legend.shows(i)) continue
        emphasis[i] = !found || found.has(i) ? 2 : 1
      }
      scatter.look({ colours, emphasis })
    }
  }

  #frame(set: PointSet, index: number, count: number): { view: View; element: HTMLElement } {
    const name = count > 1 ? `Map of ${set.name}` : 'Map of the embeddings'
    const canvas = h('canvas', {
      tabindex: 0,
      role: 'application',
      'aria-label': `${name}. Arrow keys move it, plus and minus zoom, 0 resets, n and p step through the points found.`,
    })
    const box = h('div', { class: 'box', hidden: true })
    const scatter = new Scatter(canvas)
    const view = { set, scatter }
    listen(scatter, box, {
      moved: () => {
        for (const other of this.views) {
          other.scatter.camera = { ...scatter.camera }
          other.scatter.draw()
        }
      },
      picked: (item) => this.select(item),
      hovered: (item, place) => this.#hover(item, canvas, place),
      boxed: (items) => this.#matches.choose(items),
      stepped: (by) => this.select(this.#matches.next(scatter.selected, by)),
      cleared: () => {
        this.select(-1)
        this.#matches.clear()
      },
    })
    const zoom = (key: string, label: string) =>
      h(
        'button',
        {
          type: 'button',
          'aria-label': `${label} (${key})`,
          title: label,
          onclick: () => canvas.dispatchEvent(new KeyboardEvent('keydown', { key })),
        },
        key === '0' ? '⟲' : key === '-' ? '−' : key,
      )
    const element = h(
      'div',
      { class: 'view' },
      count > 1 && h('h3', {}, `${'AB'[index]}: ${set.name}`),
      h(
        'div',
        { class: 'canvas' },
        canvas,
        box,
        h(
          'div',
          { class: 'zoom' },
          zoom('+', 'Zoom in'),
          zoom('-', 'Zoom out'),
          zoom('0', 'Reset the view'),
        ),
      ),
    )
    return { view, element }
  }

  #hover(item: number, canvas: HTMLCanvasElement, place: { x: number; y: number }): void {
    for (const { scatter } of this.views) {
      if (scatter.hovered === item) continue
      scatter.hovered = item
      scatter.draw()
    }
    this.#tip.hidden = item < 0
    if (item < 0) return
    const text = this.data.texts?.[item]
    this.#tip.replaceChildren(
      h('strong', {}, this.data.ids[item] as string),
      ...(text ? [h('span', {}, text.length > 120 ? `${text.slice(0, 120)}…` : text)] : []),
    )
    const { left, top } = canvas.getBoundingClientRect()
    const right = left + place.x + 14
    this.#tip.style.left = `${Math.min(right, innerWidth - this.#tip.offsetWidth - 8)}px`
    this.#tip.style.top = `${top + place.y + 14}px`
  }

  #controls(): HTMLElement {
    const methods = new Set(this.data.sets[0]?.layouts.map(({ method }) => method))
    const names = { umap: 'UMAP (neighbourhoods)', pca: 'PCA (directions of most variance)' }
    this.#layout.append(
      ...[...methods].map((method) => h('option', { value: method }, names[method])),
    )
    this.#colour.append(...this.columns.map(({ name }) => h('option', { value: name }, name)))
    return h(
      'div',
      { class: 'controls' },
      h('label', { class: 'field' }, 'Layout', this.#layout),
      h(
        'fieldset',
        {},
        h('legend', {}, 'Dimensions'),
        ...this.#radios.map((radio) => h('label', {}, radio, `${radio.value}-D`)),
      ),
      h('label', { class: 'field' }, 'Colour by', this.#colour),
      this.#matches.input,
    )
  }
}
