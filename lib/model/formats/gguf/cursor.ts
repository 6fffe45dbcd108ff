import type { FileHandle } from 'node:fs/promises'
import { ModelLoadError } from '../../../common/errors.js'

const WINDOW_BYTES = 1 << 20

/**
 * Reads a file from front to back through a window of 1 MiB. Every length is compared with what
 * is left of the file before anything is allocated, so a lying length costs nothing.
 *
 * `need(n)` fetches; the getters that follow it are synchronous, because a vocabulary has
 * 250,000 strings and a promise for each would take seconds.
 */
export class Cursor {
  private readonly window: Uint8Array
  private readonly view: DataView
  private windowStart = 0
  private windowEnd = 0
  /** Position in the file, bytes. */
  position = 0

  constructor(
    private readonly handle: FileHandle,
    /** Size of the file, bytes. */
    readonly size: number,
    windowBytes = WINDOW_BYTES,
  ) {
    this.window = new Uint8Array(Math.max(16, Math.min(windowBytes, size)))
    this.view = new DataView(this.window.buffer)
  }

  get remaining(): number {
    return this.size - this.position
  }

  /** Whether the next `bytes` are in the window. */
  has(bytes: number): boolean {
    return this.position >= this.windowStart && this.position + bytes <= this.windowEnd
  }

  /** Makes the next `bytes` (at most the window) available to the getters. */
  async need(bytes: number): Promise<void> {
    if (this.has(bytes)) return
    this.check(bytes)
    const length = Math.min(this.window.length, this.remaining)
    await readFully(this.handle, this.window.subarray(0, length), this.position)
    this.windowStart = this.position
    this.windowEnd = this.position + length
  }

  uint32(): number {
    const value = this.view.getUint32(this.position - this.windowStart, true)
    this.position += 4
    return value
  }

  /** A count or length. Above 2^53 it becomes Infinity: no file is that long, all checks fail. */
  length(): number {
    const at = this.position - this.windowStart
    const high = this.view.getUint32(at + 4, true)
    const low = this.view.getUint32(at, true)
    this.position += 8
    return high < 0x200000 ? high * 0x100000000 + low : Number.POSITIVE_INFINITY
  }

  /** Throws if the file ends within the next `bytes`. */
  check(bytes: number): void {
    if (!(bytes <= this.remaining)) throw new ModelLoadError('The model file ends in its header.')
  }

  skip(bytes: number): void {
    this.check(bytes)
    this.position += bytes
  }

  /** The next `bytes`, a copy. */
  async take(bytes: number): Promise<Uint8Array> {
    this.check(bytes)
    const out = new Uint8Array(bytes)
    if (bytes <= this.window.length) {
      await this.need(bytes)
      const at = this.position - this.windowStart
      out.set(this.window.subarray(at, at + bytes))
    } else {
      await readFully(this.handle, out, this.position)
    }
    this.position += bytes
    return out
  }
}

/** Fills `target` from `position`; a file that is shorter than it was is a `ModelLoadError`. */
export async function readFully(
  handle: FileHandle,
  target: Uint8Array,
  position: number,
): Promise<void> {
  let done = 0
  while (done < target.length) {
    const { bytesRead } = await handle.read(target, done, target.length - done, position + done)
    if (bytesRead === 0)
      throw new ModelLoadError('The model file became shorter while it was read.')
    done += bytesRead
  }
}
