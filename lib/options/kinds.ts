/** The kinds of value an option may have: how each is read from text, and checked when passed. */

import { asPath } from '../common/path.js'
import { parseDuration, parseSize } from '../common/units.js'
import { isWellFormed } from '../common/utf8.js'

export interface Kind<T> {
  /** What is allowed, as the end of "BGE_M3_X must be ...". */
  readonly allowed: string
  /** TypeScript's type of what a program may pass. */
  readonly type: string
  /** What stands for the value in a command's help. */
  readonly placeholder: string
  /** A value from the environment or the command line; `undefined` when it is not allowed. */
  parse(text: string): T | undefined
  /** A value that a program passed; `undefined` when it is not allowed. */
  check(value: unknown): T | undefined
}

/** An integer in a range. */
export function count(min: number, max: number, placeholder = 'N'): Kind<number> {
  const check = (value: unknown) =>
    typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
      ? value
      : undefined
  return {
    allowed: `an integer from ${min} to ${max}`,
    type: 'number',
    placeholder,
    parse: (text) => (/^\s*\d{1,15}\s*$/.test(text) ? check(Number(text)) : undefined),
    check,
  }
}

function quantity(
  allowed: string,
  placeholder: string,
  min: number,
  parseText: (text: string) => number | undefined,
): Kind<number> {
  const check = (value: unknown) =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= min ? value : undefined
  return {
    allowed,
    type: 'number | string',
    placeholder,
    parse: (text) => check(parseText(text)),
    check: (value) => check(typeof value === 'string' ? parseText(value) : value),
  }
}

/** Bytes, as a number or as text such as "2GB" or "1.5GiB". */
export function size(min: number): Kind<number> {
  return quantity(`a size of at least ${min} bytes, such as 2GB or 1.5GiB`, 'SIZE', min, parseSize)
}

/** Milliseconds, as a number or as text such as "30s". */
export function duration(min: number): Kind<number> {
  return quantity(
    'milliseconds, or a duration such as 500ms, 30s or 2min',
    'DURATION',
    min,
    parseDuration,
  )
}

// A Map, because an object would know "constructor".
const TOGGLES: ReadonlyMap<string, boolean> = new Map([
  ['1', true],
  ['true', true],
  ['on', true],
  ['yes', true],
  ['0', false],
  ['false', false],
  ['off', false],
  ['no', false],
])

export const toggle: Kind<boolean> = {
  allowed: 'on or off (true or false, 1 or 0, yes or no)',
  type: 'boolean',
  placeholder: 'on|off',
  parse: (text) => TOGGLES.get(text.trim().toLowerCase()),
  check: (value) => (typeof value === 'boolean' ? value : undefined),
}

/** Bytes, 0 for off; `true` and "on" stand for `whenOn`. */
export function sizeOrOff(whenOn: number): Kind<number> {
  const bytes = size(0)
  const fromToggle = (on: boolean | undefined) => (on === undefined ? undefined : on ? whenOn : 0)
  return {
    allowed: 'off, on, or a size such as 64MB',
    type: 'number | string | boolean',
    placeholder: 'SIZE',
    // "0" and "1" are sizes here.
    parse: (text) => bytes.parse(text) ?? fromToggle(toggle.parse(text)),
    check: (value) => fromToggle(toggle.check(value)) ?? bytes.check(value),
  }
}

/** One of some words. */
export function oneOf<const T extends string>(...words: readonly T[]): Kind<T> {
  const check = (value: unknown) => words.find((word) => word === value)
  return {
    allowed: `one of ${words.join(', ')}`,
    type: words.map((word) => `'${word}'`).join(' | '),
    placeholder: 'NAME',
    parse: (text) => check(text.trim().toLowerCase()),
    check,
  }
}

/** A file or directory; whether it exists is for its user to say. */
export const path: Kind<string> = {
  allowed: 'a path',
  type: 'string | URL',
  placeholder: 'PATH',
  parse: asPath,
  check: asPath,
}

/** A model: what it means is for `lib/model/reference.ts` to say. */
export const model: Kind<string> = {
  ...path,
  allowed: 'a path, the name of a model or hf:OWNER/REPOSITORY',
  placeholder: 'MODEL',
}

/** A directory; `true` for the usual one, `false` for none. */
export const pathOrOff: Kind<string | boolean> = {
  allowed: 'off, on, or a directory',
  type: 'string | URL | boolean',
  placeholder: 'DIR',
  parse: (text) => TOGGLES.get(text.trim().toLowerCase()) ?? path.check(text),
  check: (value) => toggle.check(value) ?? path.check(value),
}

/** A short lower-case name whose list is known elsewhere. */
export const name: Kind<string> = {
  allowed: 'a name of lower-case letters, digits and -',
  type: 'string',
  placeholder: 'NAME',
  parse: (text) => name.check(text.trim().toLowerCase()),
  check: (value) =>
    typeof value === 'string' && /^[a-z][a-z0-9-]{0,31}$/.test(value) ? value : undefined,
}

/** The SHA-256 of a file; in lower case from here on. */
export const sha256: Kind<string> = {
  allowed: 'a SHA-256: 64 hexadecimal digits',
  type: 'string',
  placeholder: 'HEX',
  parse: (text) => sha256.check(text.trim()),
  check: (value) =>
    typeof value === 'string' && /^[0-9a-f]{64}$/i.test(value) ? value.toLowerCase() : undefined,
}

/** A prompt: by its name in the model, or a text. What is no prompt is never shown: it may be a text. */
export const prompt: Kind<string | { readonly text: string }> = {
  allowed: 'the name of a prompt, or { text }',
  type: 'string | { text: string }',
  placeholder: 'NAME',
  parse: (text) => prompt.check(text.trim()),
  check: (value) => {
    if (typeof value === 'string') return /^[\w][\w .:/-]{0,63}$/.test(value) ? value : undefined
    const text = entriesOf(value, ['text'])?.[0]?.[1]
    return typeof text === 'string' && isWellFormed(text) ? { text } : undefined
  },
}

/** A choice of some words, at least one: `{ dense: true }`, or "dense,sparse" as text. */
export function setOf<const T extends string>(...words: readonly T[]): Kind<Record<T, boolean>> {
  const chosen = (isOn: (word: T) => boolean) => {
    const set = Object.fromEntries(words.map((word) => [word, isOn(word)])) as Record<T, boolean>
    return words.some((word) => set[word]) ? set : undefined
  }
  const named = (list: readonly unknown[]) => {
    if (list.length === 1 && list[0] === 'all') return chosen(() => true)
    if (!list.every((name) => words.some((word) => word === name))) return undefined
    return chosen((word) => list.includes(word))
  }
  return {
    allowed: `one or more of ${words.join(', ')}, or all`,
    type: `{ ${words.map((word) => `${word}?: boolean`).join('; ')} } | readonly (${words.map((word) => `'${word}'`).join(' | ')})[] | 'all'`,
    placeholder: 'NAME,...',
    parse: (text) => {
      const parts = text
        .toLowerCase()
        .split(',')
        .map((part) => part.trim())
      return named(parts)
    },
    check: (value) => {
      if (value === 'all') return named(words)
      if (Array.isArray(value)) return named(value)
      const given = entriesOf(value, words)
      if (!given?.every(([, on]) => typeof on === 'boolean' || on === undefined)) return undefined
      return chosen((word) => given.some(([key, on]) => key === word && on === true))
    },
  }
}

/** The entries of a plain object that has no other keys than `words`. */
function entriesOf(value: unknown, words: readonly string[]): [string, unknown][] | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const entries = Object.entries(value)
  return entries.every(([key]) => words.includes(key)) ? entries : undefined
}
