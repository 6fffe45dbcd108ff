/**
 * Building elements. Text only ever becomes a text node: nothing here, or anywhere in the page, parses
 * HTML, so a text that looks like markup is shown as it was typed.
 */

type Child = Node | string | false | null | undefined

/** Attributes by name; `true` sets an empty one, `false` and `undefined` leave it out. */
type Attributes = Record<string, string | number | boolean | undefined>

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag)
  setAttributes(element, attributes)
  append(element, children)
  return element
}

const SVG = 'http://www.w3.org/2000/svg'

export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, tag)
  setAttributes(element, attributes)
  append(element, children)
  return element
}

/** The element of the page with this id, which index.html has. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id)
  if (!element) throw new Error(`index.html has no #${id}`)
  return element as T
}

/** A style sheet's custom property: allowed by a policy that forbids style attributes. */
export function setVariable(element: HTMLElement | SVGElement, name: string, value: number): void {
  element.style.setProperty(name, value.toFixed(4))
}

function setAttributes(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue
    element.setAttribute(name, value === true ? '' : String(value))
  }
}

function append(element: Element, children: readonly Child[]): void {
  for (const child of children) if (child) element.append(child)
}
