/** What a caller gives: looked at before it is used, and named when it cannot be. */

import { InvalidInputError } from './errors.js'

export function typeName(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}

/**
 * An option's value as a message shows it: numbers, words and names of members. What may be a text that was
 * passed in the wrong place is told by its type, since messages reach logs.
 */
export function shown(value: unknown): string {
  if (value === undefined || typeof value === 'number' || typeof value === 'boolean') {
    return String(value)
  }
  if (typeof value === 'string' && /^[\w.,:+-]{0,32}$/.test(value)) return JSON.stringify(value)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const names = Object.keys(value)
    const isShort = names.length > 0 && names.length <= 8 && names.every(isName)
    if (isShort) return `{ ${names.join(', ')} }`
  }
  return `of type ${typeName(value)}`
}

const isName = (text: string) => /^[\w.-]{1,32}$/.test(text)

/** The name that was meant, if one is near. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  // half of a short name is another word
  const most = Math.min(3, Math.ceil(name.length / 3))
  const [best] = known
    .map((candidate) => ({ candidate, distance: distanceOf(name, candidate, most) }))
    .sort((a, b) => a.distance - b.distance)
  return best !== undefined && best.distance <= most ? best.candidate : undefined
}

/** Letters to change, whatever their case; `modelPath` is as near to `model` as may be. */
function distanceOf(name: string, candidate: string, most: number): number {
  const [a, b] = [name.toLowerCase(), candidate.toLowerCase()]
  const goesOn = Math.min(a.length, b.length) >= 4 && (a.startsWith(b) || b.startsWith(a))
  const distance = editDistance(a, b)
  return goesOn ? Math.min(distance, most) : distance
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(swap, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[b.length] as number
}

/** The names of an options type, all of them, checked by the compiler. */
export function namesOf<T>(names: Readonly<Record<keyof Required<T>, 1>>): readonly string[] {
  return Object.keys(names)
}

/**
 * Refuses an option that nobody reads: a typo would else be a default, in silence. What is `undefined`
 * counts as not given.
 *
 * @param of what takes the options
 * @throws InvalidInputError
 */
export function refuseUnknown(given: unknown, names: readonly string[], of: string): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw noOptions(given, of)
  }
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined && !names.includes(name)) throw unknownOption(name, names, of)
  }
}

export function noOptions(given: unknown, of: string): InvalidInputError {
  return new InvalidInputError(`The options of ${of} must be an object, not ${shown(given)}.`)
}

export function unknownOption(
  name: string,
  names: readonly string[],
  of: string,
): InvalidInputError {
  const meant = nearest(name, names)
  const hint = meant === undefined ? ` It has ${names.join(', ')}.` : ` Did you mean ${meant}?`
  // a key may be a text, too
  const what = isName(name) ? `no option \`${name}\`` : 'no option of the name that was given'
  return new InvalidInputError(`${of} has ${what}.${hint}`)
}

/** @throws InvalidInputError for what is no signal; any implementation will do */
export function checkSignal(signal: unknown): void {
  if (signal === undefined) return
  const { aborted, addEventListener } = Object(signal) as Partial<AbortSignal>
  if (typeof aborted === 'boolean' && typeof addEventListener === 'function') return
  throw new InvalidInputError(`The option \`signal\` must be an AbortSignal, not ${shown(signal)}.`)
}

/** @throws InvalidInputError for what is there and no function */
export function checkFunction(name: string, value: unknown): void {
  if (value === undefined || typeof value === 'function') return
  throw new InvalidInputError(`The option \`${name}\` must be a function, not ${shown(value)}.`)
}

/** @throws InvalidInputError for what lacks a method of an embedder that will be called */
export function checkEmbedder(embedder: unknown, ...methods: readonly string[]): void {
  const given = Object(embedder) as Record<string, unknown>
  if (methods.every((method) => typeof given[method] === 'function')) return
  throw new InvalidInputError(
    `The embedder must be one that Embedder.load gave, not ${shown(embedder)}.`,
  )
}

/** @throws InvalidInputError for what is neither left out nor a whole number in the range */
export function checkRange(name: string, value: unknown, least: number, most: number): void {
  const isIn = Number.isInteger(value) && (value as number) >= least && (value as number) <= most
  if (value === undefined || isIn) return
  throw new InvalidInputError(`\`${name}\` must be an integer from ${least} to ${most}.`)
}

/** @throws InvalidInputError for what is no array, of any type */
export function checkList(value: unknown, what: string): void {
  if (Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))) return
  throw new InvalidInputError(`${what} must be an array, not ${shown(value)}.`)
}

/** @throws InvalidInputError for what is no array of numbers; a typed one costs no time */
export function checkNumbers(value: unknown, what: string): void {
  checkList(value, what)
  const sample = Array.isArray(value) ? value : [(value as ArrayLike<unknown>)[0] ?? 0]
  // a loop, since `every` leaves out what a sparse array lacks
  for (let i = 0; i < sample.length; i++) {
    if (typeof sample[i] === 'number') continue
    throw new InvalidInputError(`${what} must hold numbers, and holds one ${typeName(sample[i])}.`)
  }
}

/** @throws InvalidInputError for what has no members */
export function checkObject(value: unknown, what: string): void {
  if (typeof value === 'object' && value !== null) return
  throw new InvalidInputError(`${what} must be an object, not ${shown(value)}.`)
}

/** @throws InvalidInputError for what is no string; it is not shown, since it may be a text */
export function checkText(value: unknown, what: string): void {
  if (typeof value === 'string') return
  throw new InvalidInputError(`${what} must be a string, not of type ${typeName(value)}.`)
}

/** @throws InvalidInputError for a member that is there and no number */
export function checkNumeric(members: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(members)) {
    if (value === undefined || typeof value === 'number') continue
    throw new InvalidInputError(`\`${name}\` must be a number, not ${shown(value)}.`)
  }
}
