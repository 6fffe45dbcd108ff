/** A text's outputs, one kind at a time. */
import { Kind } from './entry/key.js'
import type { Asked, CachedOutputs } from './entry/types.js'
import { isSparse, type Value } from './entry/value.js'

export function wants(asked: Asked, kind: Kind): boolean {
  if (kind === Kind.dense) return asked.dense
  return kind === Kind.sparse ? asked.sparse : asked.colbert
}

export function outputOf(outputs: CachedOutputs, kind: Kind): Value | undefined {
  if (kind === Kind.dense) return outputs.pooled
  return kind === Kind.sparse ? outputs.sparse : outputs.colbert
}

export function assign(outputs: CachedOutputs, kind: Kind, value: Value): void {
  if (isSparse(value)) outputs.sparse = value
  else if (kind === Kind.dense) outputs.pooled = value
  else outputs.colbert = value
}
