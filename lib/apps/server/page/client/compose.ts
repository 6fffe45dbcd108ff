/** The query and the passages: as many fields as one likes. */
import { byId, h } from './dom.js'

const MOST_PASSAGES = 32

export class Composer {
  readonly #query = byId<HTMLTextAreaElement>('query')
  readonly #list = byId('passages')
  readonly #add = byId<HTMLButtonElement>('add')
  readonly #truncate = byId<HTMLInputElement>('truncate')

  constructor() {
    this.#add.addEventListener('click', () => this.#addPassage('').focus())
  }

  get truncate(): boolean {
    return this.#truncate.checked
  }

  get query(): string {
    return this.#query.value
  }

  /** The passages that are not blank, with the numbers the form gives them. */
  get passages(): { number: number; text: string }[] {
    return this.#fields
      .map((field, i) => ({ number: i + 1, text: field.value }))
      .filter(({ text }) => text.trim() !== '')
  }

  fill(query: string, passages: readonly string[]): void {
    this.#query.value = query
    this.#list.replaceChildren()
    for (const text of passages) this.#addPassage(text)
    this.markInvalid(undefined)
  }

  clear(): void {
    this.fill('', ['', ''])
    this.#query.focus()
  }

  /** Says which field an error is about: 0 is the query, then the passages by number. */
  markInvalid(number: number | undefined): void {
    for (const [i, field] of [this.#query, ...this.#fields].entries()) {
      if (i === number) field.setAttribute('aria-invalid', 'true')
      else field.removeAttribute('aria-invalid')
    }
  }

  get #fields(): HTMLTextAreaElement[] {
    return [...this.#list.querySelectorAll('textarea')]
  }

  #addPassage(text: string): HTMLTextAreaElement {
    const field = h('textarea', { rows: 3, dir: 'auto', spellcheck: 'false' })
    field.value = text
    const remove = h('button', { type: 'button', class: 'remove' }, '✕')
    const label = h('label', {})
    const item = h(
      'div',
      { class: 'passage' },
      h('div', { class: 'row spread' }, label, remove),
      field,
    )
    remove.addEventListener('click', () => {
      const fields = this.#fields
      const at = fields.indexOf(field)
      item.remove()
      this.#number()
      // focus goes to what took its place
      const next = this.#fields[Math.min(at, this.#fields.length - 1)] ?? this.#query
      next.focus()
    })
    this.#list.append(item)
    this.#number()
    return field
  }

  #number(): void {
    const items = [...this.#list.children]
    for (const [i, item] of items.entries()) {
      const [label, remove, field] = ['label', 'button', 'textarea'].map((tag) =>
        item.querySelector<HTMLElement>(tag),
      ) as [HTMLElement, HTMLElement, HTMLElement]
      field.id = `passage-${i + 1}`
      label.setAttribute('for', field.id)
      label.textContent = `Passage ${i + 1}`
      remove.ariaLabel = `Remove passage ${i + 1}`
      remove.hidden = items.length === 1
    }
    this.#add.disabled = items.length >= MOST_PASSAGES
  }
}
