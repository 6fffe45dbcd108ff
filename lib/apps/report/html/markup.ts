/** HTML as a value: whatever is put into it is escaped, unless it is HTML already. */

export class Markup {
  constructor(readonly text: string) {}
  toString(): string {
    return this.text
  }
}

type Part = Markup | string | number | null | undefined | false | readonly Part[]

/** A template whose parts are escaped; lists are joined, and what is not there is left out. */
export function html(strings: TemplateStringsArray, ...parts: Part[]): Markup {
  let text = strings[0] ?? ''
  parts.forEach((part, i) => {
    text += rendered(part) + (strings[i + 1] ?? '')
  })
  return new Markup(text)
}

/** HTML that is known to be safe. */
export function raw(text: string): Markup {
  return new Markup(text)
}

function rendered(part: Part): string {
  if (part === null || part === undefined || part === false) return ''
  if (part instanceof Markup) return part.text
  if (typeof part === 'object') return part.map(rendered).join('')
  return escaped(String(part))
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character] as string)
}

/**
 * JSON for a `<script>` that is data. Only `<` can end or change the element, whatever follows it; the
 * line separators are for readers that take JSON for JavaScript.
 */
export function jsonForScript(value: unknown): Markup {
  const text = JSON.stringify(value)
    .replace(/</g, '\\u003c')
    .replace(/\u2028/g, '\\u2028')
    .replace(/\u2029/g, '\\u2029')
  return new Markup(text)
}
