/**
 * PyTorch checkpoints (`torch.save` of a state dict, PyTorch 1.6 and later): a zip archive of stored
 * entries, `<root>/data.pkl` with the names and shapes, `<root>/data/<key>` with the bytes of each
 * storage. Nothing in the file is run; see `pickle.ts`.
 */

import { TextDecoder } from 'node:util'
import type { AbortSignalLike } from '../../../common/abort.js'
import { ModelLoadError } from '../../../common/errors.js'
import { openFile, type RandomAccess } from '../random-access.js'
import {
  DTYPE_BYTES,
  type Dtype,
  elementCount,
  quoted,
  type StoredTensor,
  type TensorFile,
} from '../tensor-file.js'
import {
  PickleDict,
  PickleGlobal,
  PickleOpaque,
  PickleTuple,
  type PickleValue,
  readPickle,
} from './pickle.js'
import { StoredZip, type ZipEntry } from './zip.js'

/** bge-m3's, with 391 tensors, is 60 KiB. */
const MAX_PICKLE_BYTES = 1 << 22
const MAX_DIMENSIONS = 8

const STORAGE_DTYPES: ReadonlyMap<string, Dtype> = new Map([
  ['torch DoubleStorage', 'F64'],
  ['torch FloatStorage', 'F32'],
  ['torch HalfStorage', 'F16'],
  ['torch BFloat16Storage', 'BF16'],
  ['torch LongStorage', 'I64'],
  ['torch IntStorage', 'I32'],
  ['torch ShortStorage', 'I16'],
  ['torch CharStorage', 'I8'],
  ['torch ByteStorage', 'U8'],
  ['torch BoolStorage', 'BOOL'],
])

/** A storage that the pickle refers to. */
class Storage extends PickleOpaque {
  constructor(
    readonly entry: ZipEntry,
    readonly dtype: Dtype,
    /** Elements. */
    readonly length: number,
  ) {
    super()
  }
}

/** A view of a storage, checked to lie inside it without gaps. */
class TensorView extends PickleOpaque {
  constructor(
    readonly storage: Storage,
    readonly offset: number,
    readonly shape: readonly number[],
  ) {
    super()
  }
}

/**
 * Opens a checkpoint by path. Tensor data is read on request.
 *
 * @throws ModelNotFoundError, ModelLoadError, IntegrityError
 */
export async function openTorch(path: string): Promise<TensorFile> {
  const source = await openFile(path)
  try {
    return await readTorch(source)
  } catch (error) {
    await source.close()
    throw error
  }
}

/** The same over any source; closing the result closes it. */
export async function readTorch(source: RandomAccess): Promise<TensorFile> {
  await refuseOtherFormats(source)
  const zip = await StoredZip.open(source)
  const root = rootOf(zip, source.name)
  await checkByteOrder(zip, root, source.name)
  const pickle = await zip.read(zip.entries.get(`${root}data.pkl`) as ZipEntry, MAX_PICKLE_BYTES)
  const state = readPickle(pickle, {
    globals: new Map<string, ((args: readonly PickleValue[]) => PickleValue) | undefined>([
      ['collections OrderedDict', makeDict],
      ['torch._utils _rebuild_tensor_v2', rebuildTensor],
      ['torch._utils _rebuild_parameter', (args) => args[0] as PickleValue],
      ...[...STORAGE_DTYPES.keys()].map((name) => [name, undefined] as const),
    ]),
    persistentLoad: (id) => findStorage(id, zip, root),
  })
  if (!(state instanceof PickleDict)) {
    throw new ModelLoadError(`${source.name} does not hold a state dict.`)
  }
  const tensors = new Map<string, StoredTensor>()
  for (const [name, value] of state.entries) {
    if (typeof name !== 'string' || !(value instanceof TensorView)) {
      throw new ModelLoadError(`${source.name}: ${quoted(String(name))} is not a tensor.`)
    }
    tensors.set(name, new TorchTensor(name, value, zip, source))
  }
  return { name: source.name, size: source.size, tensors, close: () => source.close() }
}

class TorchTensor implements StoredTensor {
  readonly dtype: Dtype
  readonly shape: readonly number[]
  private dataOffset: Promise<number> | undefined

  constructor(
    readonly name: string,
    private readonly view: TensorView,
    private readonly zip: StoredZip,
    private readonly source: RandomAccess,
  ) {
    this.dtype = view.storage.dtype
    this.shape = view.shape
  }

  async readBytes(first: number, count: number): Promise<Uint8Array> {
    if (!(first >= 0 && count >= 0 && first + count <= elementCount(this.shape))) {
      throw new RangeError(`Elements ${first} to ${first + count} are not in ${this.name}.`)
    }
    this.dataOffset ??= this.zip.dataOffset(this.view.storage.entry)
    const width = DTYPE_BYTES[this.dtype]
    const start = (await this.dataOffset) + (this.view.offset + first) * width
    return this.source.read(start, count * width)
  }

  async verify(signal?: AbortSignalLike): Promise<void> {
    await this.zip.verify(this.view.storage.entry, signal)
  }
}

/** Says what a file is that people take for a checkpoint, instead of that it is no zip. */
async function refuseOtherFormats(source: RandomAccess): Promise<void> {
  const head = await source.read(0, Math.min(source.size, 512))
  const starts = (...bytes: number[]) => bytes.every((byte, i) => head[i] === byte)
  // Protocol 2, then LONG1 of ten bytes: torch.serialization.MAGIC_NUMBER.
  if (starts(0x80, 2, 0x8a, 0x0a)) {
    throw new ModelLoadError(
      `${source.name} has the format of PyTorch before 1.6. Load and save it again with a newer PyTorch.`,
    )
  }
  if (String.fromCharCode(...head.subarray(257, 262)) === 'ustar') {
    throw new ModelLoadError(`${source.name} is a tar archive, as PyTorch wrote before 0.2.`)
  }
  if (starts(0x47, 0x47, 0x55, 0x46)) {
    throw new ModelLoadError(`${source.name} is a GGUF file, not a PyTorch checkpoint.`)
  }
}

/** The directory inside the archive that everything lies in, with its slash. */
function rootOf(zip: StoredZip, fileName: string): string {
  const pickles = [...zip.entries.keys()].filter((name) => /^[^/]*\/data\.pkl$/.test(name))
  const [first, ...rest] = pickles
  if (first === undefined || rest.length > 0) {
    throw new ModelLoadError(`${fileName} is a zip archive, but not one that PyTorch wrote.`)
  }
  return first.slice(0, -'data.pkl'.length)
}

async function checkByteOrder(zip: StoredZip, root: string, fileName: string): Promise<void> {
  const entry = zip.entries.get(`${root}byteorder`)
  if (entry === undefined) return // before PyTorch 2.1: little
  const order = new TextDecoder().decode(await zip.read(entry, 16))
  if (order.trim() !== 'little') {
    throw new ModelLoadError(`${fileName} was written on a big-endian machine.`)
  }
}

function makeDict(args: readonly PickleValue[]): PickleDict {
  if (args.length > 0)
    throw new ModelLoadError('The pickle fills a dict in a way PyTorch does not.')
  return new PickleDict()
}

/** ('storage', type, key, location, elements) */
function findStorage(id: PickleValue, zip: StoredZip, root: string): Storage {
  const [tag, type, key, , length] = id instanceof PickleTuple ? id.items : []
  const dtype = type instanceof PickleGlobal ? STORAGE_DTYPES.get(type.name) : undefined
  if (tag !== 'storage' || dtype === undefined || typeof key !== 'string' || !isCount(length)) {
    throw new ModelLoadError('The pickle refers to something other than a storage.')
  }
  const entry = zip.entries.get(`${root}data/${key}`)
  if (entry === undefined) throw new ModelLoadError(`The storage ${quoted(key)} is missing.`)
  if (entry.size !== length * DTYPE_BYTES[dtype]) {
    throw new ModelLoadError(
      `The storage ${quoted(key)} has ${entry.size} bytes, not ${length} ${dtype}.`,
    )
  }
  return new Storage(entry, dtype, length)
}

/** (storage, offset, size, stride, requires_grad, backward_hooks, ...) */
function rebuildTensor(args: readonly PickleValue[]): TensorView {
  const [storage, offset, size, stride] = args
  if (
    !(storage instanceof Storage) ||
    !isCount(offset) ||
    !(size instanceof PickleTuple) ||
    !(stride instanceof PickleTuple)
  ) {
    throw new ModelLoadError('The pickle describes a tensor that is none.')
  }
  const shape = size.items
  const strides = stride.items
  if (
    shape.length > MAX_DIMENSIONS ||
    shape.length !== strides.length ||
    !shape.every(isCount) ||
    !strides.every(isCount)
  ) {
    throw new ModelLoadError('The pickle describes a tensor of no valid shape.')
  }
  const count = elementCount(shape)
  // Also false when the product is beyond all numbers.
  if (!(offset + count <= storage.length)) {
    throw new ModelLoadError('The pickle describes a tensor outside of its storage.')
  }
  if (!isContiguous(shape, strides)) {
    throw new ModelLoadError(
      'The pickle describes a tensor with gaps or transposed. Save it again after .contiguous().',
    )
  }
  return new TensorView(storage, offset, shape)
}

function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1
  for (let i = shape.length - 1; i >= 0; i--) {
    const size = shape[i] as number
    // The stride of a dimension of one is never used, and PyTorch leaves anything there.
    if (size !== 1 && strides[i] !== expected) return false
    expected *= size
  }
  return true
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
