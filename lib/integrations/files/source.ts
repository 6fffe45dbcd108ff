/** Where the texts of a command come from: its arguments, a file, or standard input. */

import { fstatSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { addAbortSignal, type Readable } from 'node:stream'
import { type AbortSignalLike, forNode } from '../../common/abort.js'
import { InvalidInputError } from '../../common/errors.js'
import { type InputItem, type ItemOptions, itemsOf, readItems } from './items.js'
import { formatOfName, type InputFormat } from './records.js'

export interface InputSource extends ItemOptions {
  /** Texts given one by one; with some, nothing else is read. */
  texts?: readonly string[]
  /** A path, or `-` for standard input. */
  file?: string | undefined
  stdin: Readable
  signal?: AbortSignalLike | undefined
}

export interface Input {
  /** In groups as they come. Ends with an error when the signal aborts. */
  readonly items: AsyncIterable<InputItem[]>
  /** Bytes of a regular file, texts given one by one, or neither. */
  readonly size: { bytes: number } | { texts: number } | undefined
  /** Closes the file, if the items were not read to the end. */
  close(): Promise<void>
}

/** @throws InvalidInputError when the file cannot be opened */
export async function openInput(source: InputSource): Promise<Input> {
  const { texts = [], file, stdin, signal, ...options } = source
  if (texts.length > 0) {
    return { items: itemsOf(texts), size: { texts: texts.length }, close: async () => {} }
  }
  if (file === undefined || file === '-') {
    if (isDirectory(stdin)) throw new InvalidInputError('The input is a directory.')
    return {
      items: readItems(abortable(stdin, signal), options),
      size: undefined,
      // a pipe that goes on would keep the process
      close: async () => void stdin.destroy(),
    }
  }
  const { handle, bytes } = await openFile(file)
  const stream = handle.createReadStream({ highWaterMark: 1 << 16 })
  const format: InputFormat =
    options.format === undefined || options.format === 'auto' ? formatOfName(file) : options.format
  return {
    items: readItems(abortable(stream, signal), { ...options, format }),
    size: bytes === undefined ? undefined : { bytes },
    close: async () => void stream.destroy(),
  }
}

/** Of a directory (`embed < DIR`) Node makes a stream that is empty. */
function isDirectory(stdin: Readable & { fd?: number }): boolean {
  return stdin.fd !== undefined && fstatSync(stdin.fd).isDirectory()
}

/** Whatever happens to a stream while nobody reads it is told to whoever reads it next. */
function abortable(stream: Readable, signal: AbortSignalLike | undefined): Readable {
  stream.on('error', () => {})
  return signal ? addAbortSignal(forNode(signal), stream) : stream
}

async function openFile(file: string): Promise<{ handle: FileHandle; bytes: number | undefined }> {
  let handle: FileHandle
  try {
    handle = await open(file, 'r')
  } catch (error) {
    throw cannotRead(file, error)
  }
  const stat = await handle.stat()
  if (stat.isDirectory()) {
    await handle.close()
    throw new InvalidInputError(`The input ${file} is a directory.`)
  }
  return { handle, bytes: stat.isFile() ? stat.size : undefined }
}

function cannotRead(file: string, error: unknown): InvalidInputError {
  const code = (error as NodeJS.ErrnoException).code
  const why =
    code === 'ENOENT' || code === 'ENOTDIR' ? 'There is no file' : `Cannot open (${code}) the file`
  return new InvalidInputError(`${why} ${file} to read texts from.`, { cause: error })
}
