/**
 * What a value is, whatever realm made it. Test runners and `vm` contexts have classes of their own, for which
 * `instanceof` is false where Node, the addon or a caller made the value. Imports nothing: scoring is made of it.
 */

interface TypedArrays {
  Int8Array: Int8Array
  Uint8Array: Uint8Array
  Int16Array: Int16Array
  Uint16Array: Uint16Array
  Int32Array: Int32Array
  Uint32Array: Uint32Array
  BigInt64Array: BigInt64Array
  BigUint64Array: BigUint64Array
  Float32Array: Float32Array
  Float64Array: Float64Array
}

/** Whether it is a typed array of this kind; a `Buffer` is a `Uint8Array`. */
export function isTyped<K extends keyof TypedArrays>(
  value: unknown,
  kind: K,
): value is TypedArrays[K] {
  return ArrayBuffer.isView(value) && Object(value)[Symbol.toStringTag] === kind
}

const tagOf = (value: unknown): string => Object.prototype.toString.call(value)

export const isArrayBuffer = (value: unknown): value is ArrayBuffer =>
  tagOf(value) === '[object ArrayBuffer]'

export const isMap = (value: unknown): value is ReadonlyMap<unknown, unknown> =>
  tagOf(value) === '[object Map]'

/** An object literal, or an object without a prototype: no instance of a class. */
export function isPlain(value: unknown): value is Record<string, unknown> {
  if (tagOf(value) !== '[object Object]') return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

export const isError = (value: unknown): value is Error =>
  /^\[object (Error|DOMException)\]$/.test(tagOf(value))

export const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof (value as PromiseLike<unknown> | undefined | null)?.then === 'function'

/** What may be told of something that was thrown: its message may hold a text. */
export const nameOf = (error: unknown): string => (isError(error) ? error.name : typeof error)
