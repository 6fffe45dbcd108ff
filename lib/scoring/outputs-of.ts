/** Scores take outputs, or embeddings that have them. */

import { InvalidInputError } from '../common/errors.js'
import type { MultiVector, SparseVector, Vector } from './types.js'

/** A dense vector, or an embedding with one. */
export type DenseInput = Vector | { readonly dense: Vector }

/** Lexical weights, or an embedding with them. */
export type SparseInput = SparseVector | { readonly sparse: SparseVector }

/** A vector per token, or an embedding with them. */
export type ColbertInput = MultiVector | { readonly colbert: MultiVector }

/** @throws InvalidInputError for an embedding without the output */
export function denseOf(value: DenseInput): Vector {
  if (ArrayBuffer.isView(value) || Array.isArray(value)) return value as Vector
  return outputOf(value, 'dense') as Vector
}

/** @throws InvalidInputError for an embedding without the output */
export function sparseOf(value: SparseInput): SparseVector {
  return outputOf(value, 'sparse') as SparseVector
}

/** @throws InvalidInputError for an embedding without the output */
export function colbertOf(value: ColbertInput): MultiVector {
  return outputOf(value, 'colbert') as MultiVector
}

/** What is no embedding is handed on: whoever uses it says what is wrong with it. */
function outputOf(value: unknown, name: 'dense' | 'sparse' | 'colbert'): unknown {
  if (typeof value !== 'object' || value === null) return value
  const output = (value as Record<string, unknown>)[name]
  if (output !== undefined) return output
  if (!('tokenCount' in value || 'dense' in value || 'sparse' in value || 'colbert' in value)) {
    return value
  }
  throw new InvalidInputError(
    `This embedding has no \`${name}\`: ask for it with the option \`outputs\`.`,
  )
}
