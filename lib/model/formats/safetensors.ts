/**
 * Safetensors: eight bytes of header length, a JSON header, then the tensors without gaps.
 * Checks what the format's own library checks: every byte belongs to exactly one tensor.
 */

import { TextDecoder } from 'node:util'
import { ModelLoadError } from '../../common/errors.js'
import { openFile, type RandomAccess } from './random-access.js'
import {
  DTYPE_BYTES,
  type Dtype,
  elementCount,
  quoted,
  type StoredTensor,
  type TensorFile,
} from './tensor-file.js'

/** As in the format's own library. */
const MAX_HEADER_BYTES = 100_000_000
const MAX_DIMENSIONS = 8

/**
 * Opens a file by path. Tensor data is read on request.
 *
 * @throws ModelNotFoundError, ModelLoadError
 */
export async function openSafetensors(path: string): Promise<TensorFile> {
  const source = await openFile(path)
  try {
    return await readSafetensors(source)
  } catch (error) {
    await source.close()
    throw error
  }
}

/** The same over any source; closing the result closes it. */
export async function readSafetensors(source: RandomAccess): Promise<TensorFile> {
  const header = await readHeader(source)
  const dataStart = header.end
  const dataBytes = source.size - dataStart
  const tensors = new Map<string, StoredTensor>()
  const spans: Span[] = []
  for (const [name, value] of Object.entries(header.json)) {
    if (name === '__metadata__') continue
    const tensor = readInfo(name, value, source.name)
    spans.push({ name, begin: tensor.begin, end: tensor.end })
    tensors.set(name, storedTensor(name, tensor, dataStart, source))
  }
  checkSpans(spans, dataBytes, source.name)
  return { name: source.name, size: source.size, tensors, close: () => source.close() }
}

interface Span {
  name: string
  begin: number
  end: number
}

interface TensorInfo {
  dtype: Dtype
  shape: number[]
  begin: number
  end: number
}

async function readHeader(
  source: RandomAccess,
): Promise<{ json: Record<string, unknown>; end: number }> {
  const prefix = await source.read(0, 8)
  const length = Number(new DataView(prefix.buffer).getBigUint64(0, true))
  if (length > MAX_HEADER_BYTES || 8 + length > source.size) {
    throw new ModelLoadError(`${source.name} is not a safetensors file, or is cut short.`)
  }
  const text = new TextDecoder('utf-8').decode(await source.read(8, length))
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    // The parser's own message would quote the file.
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new ModelLoadError(`${source.name}: the header is not a JSON object.`)
  }
  return { json: json as Record<string, unknown>, end: 8 + length }
}

function readInfo(name: string, value: unknown, fileName: string): TensorInfo {
  const what = `${fileName}: tensor ${quoted(name)}`
  const { dtype, shape, data_offsets } = (value ?? {}) as Record<string, unknown>
  if (typeof dtype !== 'string' || !Object.hasOwn(DTYPE_BYTES, dtype)) {
    throw new ModelLoadError(`${what} has a type this reader does not know.`)
  }
  if (!isCounts(shape) || shape.length > MAX_DIMENSIONS) {
    throw new ModelLoadError(`${what} has no valid shape.`)
  }
  if (!isCounts(data_offsets) || data_offsets.length !== 2) {
    throw new ModelLoadError(`${what} has no valid offsets.`)
  }
  const [begin, end] = data_offsets as [number, number]
  const bytes = elementCount(shape) * DTYPE_BYTES[dtype as Dtype]
  if (end - begin !== bytes) {
    throw new ModelLoadError(`${what} has ${end - begin} bytes, its shape needs ${bytes}.`)
  }
  return { dtype: dtype as Dtype, shape, begin, end }
}

/** From the first byte to the last, one tensor after another. */
function checkSpans(spans: Span[], dataBytes: number, fileName: string): void {
  spans.sort((a, b) => a.begin - b.begin || a.end - b.end)
  let at = 0
  for (const { name, begin, end } of spans) {
    if (begin !== at) {
      throw new ModelLoadError(
        `${fileName}: tensor ${quoted(name)} overlaps another or leaves a gap.`,
      )
    }
    at = end
  }
  if (at !== dataBytes) {
    throw new ModelLoadError(
      `${fileName} has ${dataBytes} bytes of tensors where its header says ${at}: cut short?`,
    )
  }
}

function storedTensor(
  name: string,
  { dtype, shape, begin }: TensorInfo,
  dataStart: number,
  source: RandomAccess,
): StoredTensor {
  return {
    name,
    dtype,
    shape,
    async readBytes(first, count) {
      if (!(first >= 0 && count >= 0 && first + count <= elementCount(shape))) {
        throw new RangeError(`Elements ${first} to ${first + count} are not in ${name}.`)
      }
      const width = DTYPE_BYTES[dtype]
      return source.read(dataStart + begin + first * width, count * width)
    },
  }
}

function isCounts(value: unknown): value is number[] {
  return (
    Array.isArray(value) &&
    value.every((item) => typeof item === 'number' && Number.isSafeInteger(item) && item >= 0)
  )
}
