/**
 * The subset of pickle that a PyTorch state dict uses, read as data: a stack machine that knows how to
 * build tuples, lists and dicts, and nothing else. Every callable a file names must be in a list that
 * the caller gives, and is replaced by the caller's own function; any other name is an error. So a
 * hostile file can call nothing. Opcodes after CPython's `pickletools`, protocol 2.
 */

import { TextDecoder } from 'node:util'
import { ModelLoadError } from '../../../common/errors.js'
import { quoted } from '../tensor-file.js'

export class PickleTuple {
  constructor(readonly items: readonly PickleValue[]) {}
}

export class PickleList {
  readonly items: PickleValue[] = []
}

export class PickleDict {
  readonly entries = new Map<string | number, PickleValue>()
}

/** A name from the list, not yet called. */
export class PickleGlobal {
  constructor(readonly name: string) {}
}

/** What the caller's functions make; opaque here. */
export abstract class PickleOpaque {
  // Keeps structurally similar classes apart.
  protected readonly opaque = true
}

export type PickleValue =
  | null
  | boolean
  | number
  | string
  | PickleTuple
  | PickleList
  | PickleDict
  | PickleGlobal
  | PickleOpaque

export interface PickleOptions {
  /**
   * Names that may appear, as `module name`, each with what calling it does; `undefined` for names that
   * are only mentioned.
   */
  globals: ReadonlyMap<string, ((args: readonly PickleValue[]) => PickleValue) | undefined>
  /** What a persistent id stands for. */
  persistentLoad(id: PickleValue): PickleValue
}

// A pickler flushes dicts and lists every 1,000 items, so real stacks hold about 2,000 values.
const MAX_STACK = 1 << 16
/** Containers, names and calls: one byte of pickle can ask for one, so they are counted. */
const MAX_OBJECTS = 1 << 18
const MAX_LINE = 256

/** @throws ModelLoadError for anything but the subset. */
export function readPickle(bytes: Uint8Array, options: PickleOptions): PickleValue {
  return new Unpickler(bytes, options).load()
}

class Unpickler {
  private readonly view: DataView
  private at = 0
  private objects = 0
  private readonly stack: PickleValue[] = []
  /** Stack heights at each open MARK. */
  private readonly marks: number[] = []
  private readonly memo = new Map<number, PickleValue>()

  constructor(
    private readonly bytes: Uint8Array,
    private readonly options: PickleOptions,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  load(): PickleValue {
    for (;;) {
      const opcode = this.byte()
      if (opcode === 0x2e) return this.stop()
      this.step(opcode)
    }
  }

  private step(opcode: number): void {
    switch (opcode) {
      case 0x80: // PROTO
        this.protocol()
        break
      case 0x28: // MARK
        if (this.marks.length >= MAX_STACK) throw tooDeep()
        this.marks.push(this.stack.length)
        break
      case 0x4e: // NONE
        this.push(null)
        break
      case 0x88: // NEWTRUE
        this.push(true)
        break
      case 0x89: // NEWFALSE
        this.push(false)
        break
      case 0x4b: // BININT1
        this.push(this.byte())
        break
      case 0x4d: // BININT2
        this.push(this.view.getUint16(this.take(2), true))
        break
      case 0x4a: // BININT
        this.push(this.view.getInt32(this.take(4), true))
        break
      case 0x8a: // LONG1
        this.push(this.long())
        break
      case 0x47: // BINFLOAT
        this.push(this.view.getFloat64(this.take(8), false))
        break
      case 0x58: // BINUNICODE
        this.push(this.text(this.view.getUint32(this.take(4), true)))
        break
      case 0x29: // EMPTY_TUPLE
        this.pushObject(new PickleTuple([]))
        break
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        this.pushObject(new PickleTuple(this.pop(opcode - 0x84)))
        break
      case 0x74: // TUPLE
        this.pushObject(new PickleTuple(this.popMark()))
        break
      case 0x5d: // EMPTY_LIST
        this.pushObject(new PickleList())
        break
      case 0x7d: // EMPTY_DICT
        this.pushObject(new PickleDict())
        break
      case 0x61: // APPEND
        this.append(this.pop(1))
        break
      case 0x65: // APPENDS
        this.append(this.popMark())
        break
      case 0x73: // SETITEM
        this.setItems(this.pop(2))
        break
      case 0x75: // SETITEMS
        this.setItems(this.popMark())
        break
      case 0x63: // GLOBAL
        this.global()
        break
      case 0x52: // REDUCE
        this.reduce()
        break
      case 0x62: // BUILD
        this.build()
        break
      case 0x51: // BINPERSID
        this.pushObject(this.options.persistentLoad(this.pop(1)[0] as PickleValue))
        break
      case 0x71: // BINPUT
        this.put(this.byte())
        break
      case 0x72: // LONG_BINPUT
        this.put(this.view.getUint32(this.take(4), true))
        break
      case 0x68: // BINGET
        this.get(this.byte())
        break
      case 0x6a: // LONG_BINGET
        this.get(this.view.getUint32(this.take(4), true))
        break
      default:
        throw new ModelLoadError(
          `The pickle has opcode 0x${opcode.toString(16).padStart(2, '0')} at byte ${this.at - 1}, which no state dict needs.`,
        )
    }
  }

  private protocol(): void {
    const protocol = this.byte()
    if (protocol !== 2) throw new ModelLoadError(`Pickle protocol ${protocol}: only 2 is read.`)
  }

  private stop(): PickleValue {
    const [value, ...rest] = this.stack
    if (value === undefined || rest.length > 0 || this.marks.length > 0) {
      throw new ModelLoadError('The pickle does not end with one value.')
    }
    return value
  }

  /** A name: two lines. Only those that were foreseen get any further. */
  private global(): void {
    const name = `${this.line()} ${this.line()}`
    if (!this.options.globals.has(name)) {
      throw new ModelLoadError(
        `The pickle names ${quoted(name.replace(' ', '.'))}, which no state dict needs: refused.`,
      )
    }
    this.pushObject(new PickleGlobal(name))
  }

  private reduce(): void {
    const [callable, args] = this.pop(2)
    const call =
      callable instanceof PickleGlobal ? this.options.globals.get(callable.name) : undefined
    if (call === undefined || !(args instanceof PickleTuple)) {
      throw new ModelLoadError('The pickle calls what is not to be called.')
    }
    this.pushObject(call(args.items))
  }

  /** State for an object. State dicts carry `_metadata` this way, which says nothing of tensors. */
  private build(): void {
    this.pop(1)
    if (!(this.top() instanceof PickleDict)) {
      throw new ModelLoadError('The pickle sets the state of something other than a dict.')
    }
  }

  private append(items: readonly PickleValue[]): void {
    const list = this.top()
    if (!(list instanceof PickleList)) throw new ModelLoadError('The pickle appends to no list.')
    for (const item of items) list.items.push(item)
  }

  private setItems(items: readonly PickleValue[]): void {
    const dict = this.top()
    if (!(dict instanceof PickleDict) || items.length % 2 !== 0) {
      throw new ModelLoadError('The pickle sets items of no dict.')
    }
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i]
      if (typeof key !== 'string' && typeof key !== 'number') {
        throw new ModelLoadError('The pickle has a dict key that is neither string nor number.')
      }
      dict.entries.set(key, items[i + 1] as PickleValue)
    }
  }

  private put(slot: number): void {
    this.memo.set(slot, this.top())
  }

  private get(slot: number): void {
    const value = this.memo.get(slot)
    if (value === undefined) throw new ModelLoadError('The pickle recalls what it never kept.')
    this.push(value)
  }

  /** Little-endian two's complement of up to 255 bytes; what is not a safe integer is refused. */
  private long(): number {
    const length = this.byte()
    const start = this.take(length)
    let value = 0n
    for (let i = length - 1; i >= 0; i--) {
      value = (value << 8n) | BigInt(this.bytes[start + i] as number)
    }
    const number = Number(BigInt.asIntN(length * 8, value))
    if (!Number.isSafeInteger(number)) {
      throw new ModelLoadError('The pickle has a whole number beyond 2^53.')
    }
    return number
  }

  private push(value: PickleValue): void {
    if (this.stack.length >= MAX_STACK) throw tooDeep()
    this.stack.push(value)
  }

  private pushObject(value: PickleValue): void {
    if (++this.objects > MAX_OBJECTS) throw tooDeep()
    this.push(value)
  }

  private top(): PickleValue {
    const value = this.stack[this.stack.length - 1]
    // What lies under the last MARK belongs to someone else.
    if (value === undefined || this.stack.length <= this.floor()) throw underflow()
    return value
  }

  private pop(count: number): PickleValue[] {
    if (this.stack.length - count < this.floor()) throw underflow()
    return this.stack.splice(this.stack.length - count, count)
  }

  private popMark(): PickleValue[] {
    const height = this.marks.pop()
    if (height === undefined) throw underflow()
    return this.stack.splice(height)
  }

  private floor(): number {
    return this.marks[this.marks.length - 1] ?? 0
  }

  private byte(): number {
    return this.bytes[this.take(1)] as number
  }

  /** Moves past `length` bytes; says where they start. */
  private take(length: number): number {
    const start = this.at
    if (start + length > this.bytes.length) throw new ModelLoadError('The pickle is cut short.')
    this.at = start + length
    return start
  }

  private text(length: number): string {
    const start = this.take(length)
    return utf8.decode(this.bytes.subarray(start, start + length))
  }

  private line(): string {
    const end = this.bytes.indexOf(0x0a, this.at)
    if (end < 0 || end - this.at > MAX_LINE) throw new ModelLoadError('The pickle is cut short.')
    const text = this.text(end - this.at)
    this.at = end + 1
    return text
  }
}

function underflow(): ModelLoadError {
  return new ModelLoadError('The pickle takes what is not there.')
}

function tooDeep(): ModelLoadError {
  return new ModelLoadError('The pickle is larger than any state dict.')
}

const utf8 = new TextDecoder('utf-8')
