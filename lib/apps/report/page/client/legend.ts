/** What the colours mean; a click on a label hides its points. */

import { number, plain } from '../../shared/format.js'
import { type Column, type LegendEntry, legendOf, rampColours } from './colours.js'
import { h } from './dom.js'

export class Legend {
  readonly element = h('div', { class: 'legend', role: 'group', 'aria-label': 'Legend' })
  #column: Column | undefined
  #hidden = new Set<number>()

  constructor(
    private readonly items: number,
    private readonly changed: () => void,
  ) {}

  show(column: Column): void {
    if (column !== this.#column) this.#hidden = new Set()
    this.#column = column
    const entries =
      column.kind === 'category'
        ? legendOf(column, this.items).map((entry) => this.#entry(entry))
        : [ramp(column)]
    this.element.replaceChildren(h('span', { class: 'name' }, column.name), ...entries)
  }

  /** Whether an item's label is not hidden. */
  shows(item: number): boolean {
    const column = this.#column
    return column?.kind !== 'category' || !this.#hidden.has(column.codes[item] as number)
  }

  #entry({ label, colour, count, codes }: LegendEntry): HTMLElement {
    const swatch = h('span', { class: 'swatch' })
    swatch.style.background = colour
    const button = h(
      'button',
      {
        type: 'button',
        'aria-pressed': String(!codes.every((code) => this.#hidden.has(code))),
        onclick: () => {
          const isShown = button.getAttribute('aria-pressed') === 'true'
          for (const code of codes) {
            if (isShown) this.#hidden.add(code)
            else this.#hidden.delete(code)
          }
          button.setAttribute('aria-pressed', String(!isShown))
          this.changed()
        },
      },
      swatch,
      `${label} `,
      h('span', { class: 'count' }, number(count)),
    )
    return button
  }
}

function ramp({ min, max }: Column & { kind: 'number' }): HTMLElement {
  const bar = h('span', { class: 'ramp' })
  bar.style.background = `linear-gradient(to right, ${rampColours().join(', ')})`
  if (min > max) return h('span', {}, 'no values')
  return h('span', { class: 'scale' }, plain(min), bar, plain(max))
}
