/**
 * bge-m3's two extra heads: finding them, reading them, checking that they fit.
 *
 * They are two PyTorch files beside the official checkpoint, or four keys inside a GGUF (`HEAD_KEYS`):
 * no GGUF published by others has them.
 */

import { createHash } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { URL } from 'node:url'
import { IntegrityError, ModelLoadError, ModelNotFoundError } from '../common/errors.js'
import { fromFloat16 } from '../common/float16.js'
import { checkNumeric, refuseUnknown } from '../common/given.js'
import { pathOf } from '../common/path.js'
import { isTyped } from '../common/realms.js'
import { HEAD_KEYS } from './formats/gguf/own-keys.js'
import { GgufFile } from './formats/gguf/reader.js'
import {
  elementCount,
  readFloats,
  type StoredTensor,
  type TensorFile,
} from './formats/tensor-file.js'
import { openTorch } from './formats/torch/torch.js'

export const SPARSE_FILE = 'sparse_linear.pt'
export const COLBERT_FILE = 'colbert_linear.pt'
/** What the kernels take: widths of ColBERT rows that it divides. */
const COLBERT_STEP = 32

/** Lexical weight of a token state h: relu(weight . h + bias). */
export interface SparseHead {
  /** `dim` elements. */
  weight: Float32Array
  bias: number
}

/** Multi-vector row of a token state h: weight . h + bias, then normalised. */
export interface ColbertHead {
  /** Width of a row x `dim`, row-major `[out, in]`: the bits of halves where the file has halves, else float32. */
  weight: Uint16Array | Float32Array
  /** As many elements as a row has. */
  bias: Float32Array
}

/** A model's two extra heads. */
export interface Heads {
  sparse: SparseHead | undefined
  colbert: ColbertHead | undefined
  /** Where they were found: files, or one GGUF. */
  paths: readonly string[]
  /** SHA-256 of the values as float32, sparse before ColBERT: the same wherever they were read from. */
  sha256: string
}

/** Options of `loadHeads`. */
export interface FindHeadsOptions {
  /** The GGUF of the model. */
  model: string
  /** Width of its token states. */
  dim: number
  /** Directory of the two `.pt` files, one of these files, or a GGUF that carries heads. */
  heads?: string | undefined
}

/**
 * Finds and reads a model's heads: those named by `heads`; else those inside the model's own file; else
 * the two `.pt` files in its directory. `undefined` when there are none: the model is dense only.
 *
 * Files that merely lie in the directory are taken only if the model can be a bge-m3 — SentencePiece
 * vocabulary, CLS pooling, states as wide as the heads — since other models may lie there too.
 *
 * @throws ModelNotFoundError when `heads` names nothing; ModelLoadError when heads that were named or
 * are inside the model do not fit it, or files are damaged; IntegrityError for wrong checksums and
 * values that are not finite.
 */
export async function loadHeads(options: FindHeadsOptions): Promise<Heads | undefined> {
  refuseUnknown(options, ['model', 'dim', 'heads'], 'loadHeads')
  const { dim, heads } = options
  checkNumeric({ dim })
  const model = pathOf(options.model, 'The option `model`')
  if (heads !== undefined) return readHeads(heads, dim)
  const gguf = await GgufFile.open(model)
  let mayBeM3: boolean
  try {
    const inside = await readGguf(gguf, dim)
    if (inside !== undefined) return inside
    mayBeM3 = gguf.string('tokenizer.ggml.model') === 't5' && gguf.number('bert.pooling_type') !== 1
  } finally {
    await gguf.close()
  }
  if (!mayBeM3) return undefined
  const paths = await headFilesIn(dirname(model))
  if (paths.length === 0) return undefined
  return readFiles(paths, dim, 'skip')
}

/** Reads heads that were named: a directory, a `.pt` file or a GGUF. Errors as {@link loadHeads}. */
export async function readHeads(heads: string | URL, dim: number): Promise<Heads> {
  const path = pathOf(heads, 'What holds the heads')
  checkNumeric({ dim })
  const info = await stat(path).catch((cause: unknown) => {
    throw new ModelNotFoundError(`There are no heads at ${path}.`, { cause })
  })
  if (info.isDirectory()) {
    const paths = await headFilesIn(path)
    if (paths.length === 0) {
      throw new ModelNotFoundError(`${path} has neither ${SPARSE_FILE} nor ${COLBERT_FILE}.`)
    }
    return (await readFiles(paths, dim, 'throw')) as Heads
  }
  if (!path.toLowerCase().endsWith('.gguf')) {
    return (await readFiles([path], dim, 'throw')) as Heads
  }
  const gguf = await GgufFile.open(path)
  try {
    const heads = await readGguf(gguf, dim)
    if (heads === undefined) throw new ModelLoadError(`${path} carries no heads.`)
    return heads
  } finally {
    await gguf.close()
  }
}

async function headFilesIn(directory: string): Promise<string[]> {
  const names = new Set(await readdir(directory))
  return [SPARSE_FILE, COLBERT_FILE]
    .filter((name) => names.has(name))
    .map((name) => join(directory, name))
}

/** Two linear layers by their shapes: `[1, dim]` is the sparse one, `[width of a row, dim]` the other. */
async function readFiles(
  paths: readonly string[],
  dim: number,
  misfit: 'throw' | 'skip',
): Promise<Heads | undefined> {
  let sparse: SparseHead | undefined
  let colbert: ColbertHead | undefined
  for (const path of paths) {
    const file = await openTorch(path)
    try {
      const { weight, bias } = linearLayer(file)
      const [rows, columns] = weight.shape as [number, number]
      // a checkpoint's `colbert_dim` may be another width than the states'
      const isHead = rows === 1 || rows === dim || rows % COLBERT_STEP === 0
      if (columns !== dim || !isHead) {
        if (misfit === 'skip') return undefined
        throw new ModelLoadError(
          `${path} is a layer from ${columns} to ${rows} numbers, the model's states have ${dim}.`,
        )
      }
      if (rows === 1) {
        sparse = { weight: await readFloats(weight), bias: (await readFloats(bias))[0] as number }
      } else {
        colbert = { weight: await readWeight(weight), bias: await readFloats(bias) }
      }
      await weight.verify?.()
      await bias.verify?.()
    } finally {
      await file.close()
    }
  }
  return withHash(sparse, colbert, paths)
}

function linearLayer(file: TensorFile): { weight: StoredTensor; bias: StoredTensor } {
  const weight = file.tensors.get('weight')
  const bias = file.tensors.get('bias')
  const valid =
    weight !== undefined &&
    bias !== undefined &&
    file.tensors.size === 2 &&
    weight.shape.length === 2 &&
    bias.shape.length === 1 &&
    bias.shape[0] === weight.shape[0]
  if (!valid) throw new ModelLoadError(`${file.name} is not one linear layer (weight and bias).`)
  return { weight, bias }
}

async function readWeight(tensor: StoredTensor): Promise<Uint16Array | Float32Array> {
  if (tensor.dtype !== 'F16') return readFloats(tensor)
  const bytes = await tensor.readBytes(0, elementCount(tensor.shape))
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2)
  return finiteHalves(halves, tensor.name)
}

/** Heads inside a GGUF; `undefined` if it has none of their keys. */
async function readGguf(gguf: GgufFile, dim: number): Promise<Heads | undefined> {
  const read = async (key: string, length?: number): Promise<Uint16Array | Float32Array> => {
    const values = await gguf.numbers(key)
    if (!(isTyped(values, 'Uint16Array') || isTyped(values, 'Float32Array'))) {
      throw new ModelLoadError(`${gguf.path}: ${key} is missing, or neither float16 nor float32.`)
    }
    if (length !== undefined && values.length !== length) {
      throw new ModelLoadError(`${gguf.path}: ${key} has ${values.length} values, not ${length}.`)
    }
    if (isTyped(values, 'Uint16Array')) return finiteHalves(values, key)
    if (!values.every(Number.isFinite)) throw new IntegrityError(`${key} is not all finite.`)
    return values
  }
  let sparse: SparseHead | undefined
  let colbert: ColbertHead | undefined
  if (gguf.keys.has(HEAD_KEYS.sparseWeight)) {
    const bias = floats(await read(HEAD_KEYS.sparseBias, 1))
    sparse = { weight: floats(await read(HEAD_KEYS.sparseWeight, dim)), bias: bias[0] as number }
  }
  if (gguf.keys.has(HEAD_KEYS.colbertWeight)) {
    const bias = floats(await read(HEAD_KEYS.colbertBias))
    colbert = { weight: await read(HEAD_KEYS.colbertWeight, bias.length * dim), bias }
  }
  if (sparse === undefined && colbert === undefined) return undefined
  return withHash(sparse, colbert, [gguf.path])
}

function finiteHalves(halves: Uint16Array, name: string): Uint16Array {
  if (halves.some((bits) => (bits & 0x7c00) === 0x7c00)) {
    throw new IntegrityError(`${name} has a value that is not finite.`)
  }
  return halves
}

function floats(values: Uint16Array | Float32Array): Float32Array {
  return isTyped(values, 'Uint16Array') ? fromFloat16(values) : values
}

function withHash(
  sparse: SparseHead | undefined,
  colbert: ColbertHead | undefined,
  paths: readonly string[],
): Heads {
  const hash = createHash('sha256')
  const add = (name: string, weight: Float32Array, bias: Float32Array) => {
    hash.update(name)
    for (const { buffer, byteOffset, byteLength } of [weight, bias]) {
      hash.update(new Uint8Array(buffer, byteOffset, byteLength))
    }
  }
  if (sparse !== undefined) add('sparse', sparse.weight, Float32Array.of(sparse.bias))
  if (colbert !== undefined) add('colbert', floats(colbert.weight), colbert.bias)
  return { sparse, colbert, paths, sha256: hash.digest('hex') }
}
