/** Positional reads from a file or from memory, each checked against the size before it allocates. */

import { type FileHandle, open } from 'node:fs/promises'
import { IntegrityError, ModelLoadError, ModelNotFoundError } from '../../common/errors.js'

export interface RandomAccess {
  /** For messages. */
  readonly name: string
  /** Bytes. */
  readonly size: number
  /**
   * `length` bytes from `offset`, a copy.
   *
   * @throws ModelLoadError when they are not all inside.
   */
  read(offset: number, length: number): Promise<Uint8Array>
  close(): Promise<void>
}

/** @throws ModelNotFoundError when there is no such file, ModelLoadError when it cannot be read. */
export async function openFile(path: string): Promise<RandomAccess> {
  let handle: FileHandle
  try {
    handle = await open(path, 'r')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new ModelNotFoundError(`There is no file ${path}.`, { cause })
    }
    throw new ModelLoadError(`${path} cannot be opened.`, { cause })
  }
  try {
    const stat = await handle.stat()
    if (!stat.isFile()) throw new ModelLoadError(`${path} is not a file.`)
    return new FileAccess(handle, path, stat.size)
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** The same over bytes that are in memory. */
export function fromBytes(bytes: Uint8Array, name = 'memory'): RandomAccess {
  return {
    name,
    size: bytes.length,
    async read(offset, length) {
      checkRange(name, bytes.length, offset, length)
      return bytes.slice(offset, offset + length)
    },
    async close() {},
  }
}

class FileAccess implements RandomAccess {
  constructor(
    private readonly handle: FileHandle,
    readonly name: string,
    readonly size: number,
  ) {}

  async read(offset: number, length: number): Promise<Uint8Array> {
    checkRange(this.name, this.size, offset, length)
    const bytes = new Uint8Array(length)
    for (let done = 0; done < length; ) {
      const { bytesRead } = await this.handle.read(bytes, done, length - done, offset + done)
      if (bytesRead === 0) throw new IntegrityError(`${this.name} shrank while it was read.`)
      done += bytesRead
    }
    return bytes
  }

  async close(): Promise<void> {
    await this.handle.close()
  }
}

// Written so that NaN fails, and before any allocation.
function checkRange(name: string, size: number, offset: number, length: number): void {
  const inside =
    Number.isSafeInteger(offset) &&
    Number.isSafeInteger(length) &&
    offset >= 0 &&
    length >= 0 &&
    offset + length <= size
  if (!inside) throw new ModelLoadError(`${name} is cut short, or names bytes outside of itself.`)
}
