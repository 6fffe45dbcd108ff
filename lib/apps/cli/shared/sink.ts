/** Text out, to stdout or a file, no faster than it is taken. */

import { constants, createWriteStream } from 'node:fs'
import { access, open, realpath, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { finished } from 'node:stream/promises'
import { OutputClosed, UsageError } from './errors.js'
import type { CliIo, TerminalWritable } from './io.js'

export class Sink {
  #error: Error | undefined

  private constructor(
    private readonly stream: TerminalWritable,
    private readonly isFile: boolean,
    private readonly signal: AbortSignal,
  ) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      this.#error ??= error.code === 'EPIPE' ? new OutputClosed() : error
    })
  }

  static stdout(io: CliIo): Sink {
    return new Sink(io.stdout, false, io.signal)
  }

  /** Creates or empties the file. */
  static async file(path: string, io: CliIo): Promise<Sink> {
    const handle = await open(path, 'w').catch((error: NodeJS.ErrnoException) => {
      throw new UsageError(`Cannot write ${path} (${error.code}).`)
    })
    return new Sink(createWriteStream(path, { fd: handle }), true, io.signal)
  }

  /** Goes on with a file after so many bytes: what follows them is cut off. */
  static async append(path: string, from: number, io: CliIo): Promise<Sink> {
    const handle = await open(path, 'r+').catch((error: NodeJS.ErrnoException) => {
      throw new UsageError(`Cannot write ${path} (${error.code}).`)
    })
    await handle.truncate(from)
    return new Sink(createWriteStream(path, { fd: handle, start: from }), true, io.signal)
  }

  /** Waits for room, but not once the run is interrupted: then what is written is all there will be. */
  async write(text: string): Promise<void> {
    if (this.#error) throw this.#error
    if (this.stream.write(text) || this.signal.aborted) return
    await new Promise<void>((resolve) => {
      const events = ['drain', 'error', 'close'] as const
      const done = () => {
        for (const event of events) this.stream.off(event, done)
        this.signal.removeEventListener('abort', done)
        resolve()
      }
      for (const event of events) this.stream.on(event, done)
      this.signal.addEventListener('abort', done)
    })
    if (this.#error) throw this.#error
  }

  /** Closes a file; stdout stays open for others, and `main` waits for it. */
  async close(): Promise<void> {
    if (!this.isFile) return
    this.stream.end()
    try {
      await finished(this.stream)
    } catch (error) {
      throw this.#error ?? error
    }
  }
}

/** stdout, or a file that is created or emptied; `-` is stdout. @throws UsageError */
export async function openOutputSink(
  io: CliIo,
  file: string | undefined,
  input: string | undefined,
): Promise<Sink> {
  await refuseSameFile(file, input)
  return file === undefined || file === '-' ? Sink.stdout(io) : Sink.file(file, io)
}

/** @throws UsageError for a file that could not be made, before hours of work go into it */
export async function checkTarget(file: string | undefined): Promise<void> {
  if (file === undefined || file === '-') return
  const there = await stat(file).catch(() => undefined)
  if (there?.isDirectory()) throw new UsageError(`Cannot write ${file}: it is a directory.`)
  await access(there ? file : dirname(file), constants.W_OK).catch((error) => {
    throw new UsageError(`Cannot write ${file} (${(error as NodeJS.ErrnoException).code}).`)
  })
}

/** @throws UsageError when output and input are one file, which would be lost */
export async function refuseSameFile(
  output: string | undefined,
  input: string | undefined,
): Promise<void> {
  if (output === undefined || input === undefined || output === '-' || input === '-') return
  const [a, b] = await Promise.all(
    [output, input].map((file) => realpath(file).catch(() => undefined)),
  )
  if (a !== undefined && a === b) {
    throw new UsageError('--output is the --input file, which it would overwrite.')
  }
}
