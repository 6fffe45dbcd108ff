/** What a run that was cut off left of its output: read item by item, up to the first that is not whole. */

import { type FileHandle, open } from 'node:fs/promises'
import { InvalidInputError } from '../../common/errors.js'
import type { RecordId } from './jsonl-output.js'

/** An item that is whole. */
export interface WrittenItem {
  /** Its bytes in the file. */
  start: number
  end: number
  /** A text that failed. */
  failed: boolean
  /** A text that lost its end, where the format says so. */
  truncated: boolean
  /** Where the format has it. */
  tokenCount?: number
}

export interface WrittenItems {
  /**
   * The next item, or undefined when there is no other whole one.
   *
   * @throws InvalidInputError when the next one is not of this id, or is no item
   */
  next(id: RecordId): Promise<WrittenItem | undefined>
  /** The bytes of an item. */
  read(written: WrittenItem): Promise<Uint8Array>
  close(): Promise<void>
}

/**
 * A regular file for reading, or undefined where there is none.
 *
 * @throws InvalidInputError for a directory, a device, a pipe
 */
export async function openWritten(path: string): Promise<FileHandle | undefined> {
  const handle = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new InvalidInputError(`Cannot read ${path} (${error.code}).`, { cause: error })
  })
  if (handle === undefined) return undefined
  if ((await handle.stat()).isFile()) return handle
  await handle.close()
  throw new InvalidInputError(`${path} is no regular file, so it holds nothing to resume.`)
}

/** Reads until `bytes` is full or the file ends. @returns how many there were */
export async function readAt(
  handle: FileHandle,
  bytes: Uint8Array,
  position: number,
): Promise<number> {
  let done = 0
  while (done < bytes.length) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, position + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return done
}

export async function readWritten(
  handle: FileHandle,
  { start, end }: WrittenItem,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - start)
  await readAt(handle, bytes, start)
  return bytes
}
