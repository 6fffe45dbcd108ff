/** Kinds of value that only the server's options have; see `lib/options/kinds.ts`. */

import type { Kind } from '../../../options/kinds.js'

/** A line of text without blanks at its ends. */
export const text: Kind<string> = {
  allowed: 'a text without line breaks',
  type: 'string',
  placeholder: 'TEXT',
  parse: (value) => text.check(value.trim()),
  check: (value) =>
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not get through
    typeof value === 'string' && value !== '' && !/[\u0000-\u001f\u007f]/.test(value)
      ? value
      : undefined,
}

/** Several, separated by commas in a text; at least one. A single one may stand for itself. */
export function list<T>(item: Kind<T>): Kind<T[]> {
  const all = (values: (T | undefined)[]) =>
    values.length > 0 && values.every((value) => value !== undefined) ? (values as T[]) : undefined
  const parse = (value: string) => all(value.split(',').map((part) => item.parse(part)))
  return {
    allowed: `one or more of: ${item.allowed}; with commas in between`,
    type: `${item.type} | (${item.type})[]`,
    placeholder: `${item.placeholder},...`,
    parse,
    check: (value) => {
      if (typeof value === 'string') return parse(value)
      return Array.isArray(value) ? all(value.map((part) => item.check(part))) : undefined
    },
  }
}
