/**
 * The constants of GGUF (versions 2 and 3) and of ggml's tensor types.
 * Source: llama.cpp v0.5.0, `ggml/include/gguf.h`, `ggml/include/ggml.h`, `ggml/src/ggml-common.h`.
 */

/** "GGUF" read as a little-endian uint32. */
export const GGUF_MAGIC = 0x46554747
/** The version this package writes. */
export const GGUF_VERSION = 3
export const DEFAULT_ALIGNMENT = 32
/** ggml's GGML_MAX_DIMS. */
export const MAX_DIMS = 4

/** `enum gguf_type`. */
export const ValueType = {
  UINT8: 0,
  INT8: 1,
  UINT16: 2,
  INT16: 3,
  UINT32: 4,
  INT32: 5,
  FLOAT32: 6,
  BOOL: 7,
  STRING: 8,
  ARRAY: 9,
  UINT64: 10,
  INT64: 11,
  FLOAT64: 12,
} as const
export type ValueType = (typeof ValueType)[keyof typeof ValueType]
/** What an array may hold: ggml has no arrays of arrays. */
export type ElementType = Exclude<ValueType, 9>
export type NumericType = Exclude<ElementType, 8>

/** Bytes of one value, by value type; 0 for strings and arrays, whose size is in the file. */
const VALUE_BYTES: readonly number[] = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8]

export function isValueType(type: number): type is ValueType {
  return Number.isInteger(type) && type >= 0 && type < VALUE_BYTES.length
}

/** Bytes of one value of a fixed-size type; 0 for `STRING` and `ARRAY`. */
export function valueBytes(type: ValueType): number {
  return VALUE_BYTES[type] ?? 0
}

/** `enum ggml_type`, those that can appear in a file. */
export const TensorType = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q5_0: 6,
  Q5_1: 7,
  Q8_0: 8,
  Q8_1: 9,
  Q2_K: 10,
  Q3_K: 11,
  Q4_K: 12,
  Q5_K: 13,
  Q6_K: 14,
  Q8_K: 15,
  IQ2_XXS: 16,
  IQ2_XS: 17,
  IQ3_XXS: 18,
  IQ1_S: 19,
  IQ4_NL: 20,
  IQ3_S: 21,
  IQ2_S: 22,
  IQ4_XS: 23,
  I8: 24,
  I16: 25,
  I32: 26,
  I64: 27,
  F64: 28,
  IQ1_M: 29,
  BF16: 30,
  TQ1_0: 34,
  TQ2_0: 35,
  MXFP4: 39,
} as const
export type TensorType = (typeof TensorType)[keyof typeof TensorType]

export interface BlockLayout {
  /** Elements in a block. */
  elements: number
  /** Bytes of a block. */
  bytes: number
}

const LAYOUTS = new Map<number, BlockLayout & { name: string }>(
  (
    [
      ['F32', 1, 4],
      ['F16', 1, 2],
      ['Q4_0', 32, 18],
      ['Q4_1', 32, 20],
      ['Q5_0', 32, 22],
      ['Q5_1', 32, 24],
      ['Q8_0', 32, 34],
      ['Q8_1', 32, 36],
      ['Q2_K', 256, 84],
      ['Q3_K', 256, 110],
      ['Q4_K', 256, 144],
      ['Q5_K', 256, 176],
      ['Q6_K', 256, 210],
      ['Q8_K', 256, 292],
      ['IQ2_XXS', 256, 66],
      ['IQ2_XS', 256, 74],
      ['IQ3_XXS', 256, 98],
      ['IQ1_S', 256, 50],
      ['IQ4_NL', 32, 18],
      ['IQ3_S', 256, 110],
      ['IQ2_S', 256, 82],
      ['IQ4_XS', 256, 136],
      ['I8', 1, 1],
      ['I16', 1, 2],
      ['I32', 1, 4],
      ['I64', 1, 8],
      ['F64', 1, 8],
      ['IQ1_M', 256, 56],
      ['BF16', 1, 2],
      ['TQ1_0', 256, 54],
      ['TQ2_0', 256, 66],
      ['MXFP4', 32, 17],
    ] as const
  ).map(([name, elements, bytes]) => [TensorType[name], { name, elements, bytes }]),
)

/** Block layout of a tensor type, `undefined` for a type this package does not know. */
export function blockLayout(type: number): BlockLayout | undefined {
  return LAYOUTS.get(type)
}

/** ggml's name of a tensor type, in capitals: `Q8_0`. */
export function tensorTypeName(type: number): string {
  return LAYOUTS.get(type)?.name ?? `type ${type}`
}

export function isTensorType(type: number): type is TensorType {
  return LAYOUTS.has(type)
}

/** Bytes of a tensor, or `undefined` when a row is not a whole number of blocks. */
export function tensorBytes(type: TensorType, dims: readonly number[]): number | undefined {
  const layout = LAYOUTS.get(type)
  if (layout === undefined) return undefined
  const row = dims[0] ?? 1
  if (row % layout.elements !== 0) return undefined
  return (dims.reduce((product, dim) => product * dim, 1) / layout.elements) * layout.bytes
}

/**
 * `enum llama_ftype` for the types this package writes and names, by tensor type.
 * Source: `include/llama.h`.
 */
export const FileType = { F32: 0, F16: 1, Q4_0: 2, Q8_0: 7 } as const
