/** Paths as callers give them. */

import { fileURLToPath } from 'node:url'
import { InvalidInputError } from './errors.js'
import { shown } from './given.js'

/** What is a path, or stands for one: a string, a `file:` URL as text or as an object. */
export function asPath(value: unknown): string | undefined {
  try {
    const isObject = Object.prototype.toString.call(value) === '[object URL]' // of any realm
    const isUrl = isObject || (typeof value === 'string' && /^file:/i.test(value))
    const path = isUrl ? fileURLToPath(String(value)) : value
    return typeof path === 'string' && path !== '' && !path.includes('\0') ? path : undefined
  } catch {
    // of another host, or of no file
    return undefined
  }
}

/** @throws InvalidInputError for what is no path */
export function pathOf(value: unknown, what: string): string {
  const path = asPath(value)
  if (path !== undefined) return path
  throw new InvalidInputError(`${what} must be a path or a file: URL, not ${shown(value)}.`)
}
