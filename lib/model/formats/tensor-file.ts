/** Checkpoints as the converter and the heads see them, whatever the container. */

import type { AbortSignalLike } from '../../common/abort.js'
import { IntegrityError, ModelLoadError } from '../../common/errors.js'
import { float16Table } from '../../common/float16.js'

/** Element types a checkpoint may have. Only the floating ones can be read as numbers here. */
export type Dtype =
  | 'F64'
  | 'F32'
  | 'F16'
  | 'BF16'
  | 'I64'
  | 'I32'
  | 'I16'
  | 'I8'
  | 'U64'
  | 'U32'
  | 'U16'
  | 'U8'
  | 'BOOL'

export const DTYPE_BYTES: Readonly<Record<Dtype, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
}

/** A tensor that lies row-major and without gaps in a file. Its data is read on request. */
export interface StoredTensor {
  readonly name: string
  readonly dtype: Dtype
  /** Slowest dimension first, as in PyTorch. */
  readonly shape: readonly number[]
  /** The bytes of `count` elements from element `first`. */
  readBytes(first: number, count: number): Promise<Uint8Array>
  /**
   * Compares the stored bytes with the checksum of the container, if it has one.
   *
   * @throws IntegrityError when they differ.
   */
  verify?(signal?: AbortSignalLike): Promise<void>
}

/** A file of named tensors. */
export interface TensorFile {
  readonly name: string
  readonly size: number
  readonly tensors: ReadonlyMap<string, StoredTensor>
  close(): Promise<void>
}

/** Elements of a tensor. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1)
}

/**
 * `count` elements from element `first` of a floating-point tensor, as float32.
 *
 * @throws ModelLoadError for integers, IntegrityError for NaN and infinity: no weight is either.
 */
export async function readFloats(
  tensor: StoredTensor,
  first = 0,
  count = elementCount(tensor.shape),
): Promise<Float32Array> {
  const bytes = await tensor.readBytes(first, count)
  const floats = decodeFloats(tensor, bytes, count)
  for (let i = 0; i < count; i++) {
    if (!Number.isFinite(floats[i])) {
      throw new IntegrityError(`Element ${first + i} of ${quoted(tensor.name)} is not finite.`)
    }
  }
  return floats
}

function decodeFloats(tensor: StoredTensor, bytes: Uint8Array, count: number): Float32Array {
  // `bytes` is a fresh copy at offset 0, so every element is aligned.
  const { buffer, byteOffset } = bytes
  switch (tensor.dtype) {
    case 'F32':
      return new Float32Array(buffer, byteOffset, count)
    case 'F64':
      return Float32Array.from(new Float64Array(buffer, byteOffset, count))
    case 'F16': {
      const table = float16Table()
      const halves = new Uint16Array(buffer, byteOffset, count)
      const floats = new Float32Array(count)
      for (let i = 0; i < count; i++) floats[i] = table[halves[i] as number] as number
      return floats
    }
    case 'BF16': {
      // The upper half of a float32.
      const halves = new Uint16Array(buffer, byteOffset, count)
      const words = new Uint32Array(count)
      for (let i = 0; i < count; i++) words[i] = (halves[i] as number) << 16
      return new Float32Array(words.buffer)
    }
    default:
      throw new ModelLoadError(
        `${quoted(tensor.name)} holds ${tensor.dtype}, not numbers of a net.`,
      )
  }
}

/** A name from a file, shortened and made safe for a terminal and a log. */
export function quoted(name: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not get through
  return `"${name.slice(0, 80).replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, '?')}"`
}
