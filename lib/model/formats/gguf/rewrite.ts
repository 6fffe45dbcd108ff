import { InvalidInputError } from '../../../common/errors.js'
import { isTyped } from '../../../common/realms.js'
import { encodeTensor } from './quantize.js'
import { GgufFile } from './reader.js'
import { type NumericType, TensorType, ValueType } from './types.js'
import { entry, type GgufEntry, type NumericArray, type Scalar } from './values.js'
import { type TensorSource, type WriteOptions, writeGguf } from './writer.js'

/** A key's type as JSON names it: `uint32`, `string`, `float32[]` ... */
export type KeyTypeName = `${Lowercase<Exclude<keyof typeof ValueType, 'ARRAY'>>}${'' | '[]'}`

/** A key of the output: a value of its own, or one of the input's under this or another name. */
export type KeyEdit =
  | { key: string; type: KeyTypeName; value: Scalar | readonly Scalar[] }
  | {
      key: string
      from: string
      /** Other elements of the array, by index. */
      patch?: Record<number, Scalar>
    }

export interface HeaderEdits {
  /** Every key of the output, in order; a string copies the input's key. Excludes the next three. */
  keys?: readonly (string | KeyEdit)[]
  /** Keys of the input to leave out. */
  remove?: readonly string[]
  /** New names of the input's keys. */
  rename?: Readonly<Record<string, string>>
  /** Keys to put in place of the input's, or at the end. */
  set?: readonly KeyEdit[]
  dropTensors?: readonly string[]
  /** New types of float32 tensors. */
  tensorTypes?: Readonly<Record<string, 'F32' | 'F16' | 'Q8_0'>>
}

/**
 * Copies a GGUF with another header: the same weights as another converter, or an older one,
 * would have written them.
 *
 * @throws InvalidInputError for edits that name what the file does not have
 */
export async function rewriteHeader(
  input: string,
  output: string,
  edits: HeaderEdits,
  options: Pick<WriteOptions, 'signal' | 'onProgress'> = {},
): Promise<void> {
  const file = await GgufFile.open(input)
  try {
    const entries =
      edits.keys === undefined
        ? await editedEntries(file, edits)
        : await Promise.all(edits.keys.map((key) => keyEntry(file, key)))
    const tensors = editedTensors(file, edits)
    await writeGguf(output, entries, tensors, { ...options, alignment: alignmentOf(entries) })
  } finally {
    await file.close()
  }
}

async function editedEntries(file: GgufFile, edits: HeaderEdits): Promise<GgufEntry[]> {
  const { remove = [], rename = {}, set = [] } = edits
  for (const key of [...remove, ...Object.keys(rename)]) {
    if (!file.keys.has(key)) throw new InvalidInputError(`${file.path} has no key ${key}.`)
  }
  const entries = new Map<string, GgufEntry>()
  for (const key of file.keys.keys()) {
    if (remove.includes(key)) continue
    const name = rename[key] ?? key
    entries.set(name, await keyEntry(file, { key: name, from: key }))
  }
  for (const edit of set) entries.set(edit.key, await keyEntry(file, edit))
  return [...entries.values()]
}

async function keyEntry(file: GgufFile, edit: string | KeyEdit): Promise<GgufEntry> {
  if (typeof edit === 'string') return keyEntry(file, { key: edit, from: edit })
  if ('from' in edit) {
    const copied = await file.entry(edit.from)
    if (copied === undefined) throw new InvalidInputError(`${file.path} has no key ${edit.from}.`)
    if (edit.patch !== undefined) return patchedEntry(file, edit.key, edit.from, edit.patch)
    return { ...copied, key: edit.key }
  }
  return edit.type.endsWith('[]') ? arrayEntry(edit) : scalarEntry(edit)
}

async function patchedEntry(
  file: GgufFile,
  key: string,
  from: string,
  patch: Record<number, Scalar>,
): Promise<GgufEntry> {
  const strings = await file.strings(from)
  if (strings !== undefined) {
    const replaced = new Map(Object.entries(patch).map(([i, value]) => [Number(i), String(value)]))
    return entry.strings(key, strings.take(strings.length, replaced))
  }
  const numbers = await file.numbers(from)
  if (numbers === undefined) throw new InvalidInputError(`${from} is not an array.`)
  for (const [i, value] of Object.entries(patch)) assign(numbers, Number(i), value)
  return entry.numbers(key, numbers)
}

function assign(numbers: NumericArray, index: number, value: Scalar): void {
  if (isTyped(numbers, 'BigUint64Array') || isTyped(numbers, 'BigInt64Array')) {
    numbers[index] = BigInt(value)
  } else {
    numbers[index] = Number(value)
  }
}

function valueType(name: string): ValueType {
  const type = ValueType[name.toUpperCase() as keyof typeof ValueType]
  if (type === undefined || type === ValueType.ARRAY) {
    throw new InvalidInputError(`${name} is not a GGUF value type.`)
  }
  return type
}

type ValueEdit = Extract<KeyEdit, { value: unknown }>

function scalarEntry({ key, type, value }: ValueEdit): GgufEntry {
  const gguf = valueType(type)
  if (gguf === ValueType.STRING) return entry.string(key, String(value))
  if (typeof value === 'object' || typeof value === 'string') {
    throw new InvalidInputError(`The value of ${key} is not of type ${type}.`)
  }
  return entry.scalar(key, gguf as NumericType, value)
}

/** Arrays of the element types that converters write. */
function arrayEntry({ key, type, value }: ValueEdit): GgufEntry {
  if (!Array.isArray(value)) throw new InvalidInputError(`The value of ${key} is not an array.`)
  switch (valueType(type.slice(0, -2))) {
    case ValueType.STRING:
      return entry.strings(key, value.map(String))
    case ValueType.UINT8:
      return entry.numbers(key, Uint8Array.from(value, Number))
    case ValueType.UINT16:
      return entry.numbers(key, Uint16Array.from(value, Number))
    case ValueType.UINT32:
      return entry.numbers(key, Uint32Array.from(value, Number))
    case ValueType.INT32:
      return entry.numbers(key, Int32Array.from(value, Number))
    case ValueType.FLOAT32:
      return entry.numbers(key, Float32Array.from(value, Number))
    default:
      throw new InvalidInputError(`Arrays of type ${type} cannot be set.`)
  }
}

function editedTensors(file: GgufFile, edits: HeaderEdits): TensorSource[] {
  const { dropTensors = [], tensorTypes = {} } = edits
  for (const name of [...dropTensors, ...Object.keys(tensorTypes)]) {
    if (!file.tensors.has(name)) throw new InvalidInputError(`${file.path} has no tensor ${name}.`)
  }
  const kept = [...file.tensors.values()].filter(({ name }) => !dropTensors.includes(name))
  return kept.map(({ name, type, dims }) => {
    const wanted = tensorTypes[name]
    if (wanted === undefined || TensorType[wanted] === type) {
      return { name, type, dims, data: () => file.tensorChunks(name) }
    }
    if (type !== TensorType.F32) {
      throw new InvalidInputError(`Only float32 tensors can change their type, ${name} is not.`)
    }
    const target = TensorType[wanted]
    return {
      name,
      type: target,
      dims,
      async *data() {
        const bytes = await file.tensor(name)
        yield encodeTensor(new Float32Array(bytes.buffer), target)
      },
    }
  })
}

/** The alignment the keys name: the tensor data must have it. */
function alignmentOf(entries: readonly GgufEntry[]): number {
  const found = entries.find(({ key }) => key === 'general.alignment')
  if (found === undefined) return 32
  if (found.type !== ValueType.UINT32)
    throw new InvalidInputError('general.alignment is no uint32.')
  return new DataView(found.payload.buffer, found.payload.byteOffset).getUint32(0, true)
}
