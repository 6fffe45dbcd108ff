/**
 * The bytes of a file that have arrived so far.
 *
 * A part has one writer, whose token is in its name (`<file>.<token>.part`), so two processes never
 * write to one part, whatever becomes of the lock. When its owner ends in good order the part is
 * left as `<file>.part`. The next owner takes over the longest one: by renaming it if nobody can be
 * writing any more, else by copying it. Beside each part lies `<part>.json`: which content it is a
 * part of, the server's ETag, and the owner. The finished part is synced and renamed into place.
 */

import { createHash, type Hash } from 'node:crypto'
import { constants } from 'node:fs'
import {
  copyFile,
  type FileHandle,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
} from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { type AbortSignalLike, throwIfAborted } from '../../common/abort.js'
import { syncDirectory, writeFileAtomic } from '../../common/atomic-file.js'
import type { Expected } from '../integrity.js'
import { isGone, type Owner, parseOwner, thisProcess } from './owner.js'

export interface ClaimOptions {
  /** Where the whole file goes. */
  final: string
  expected: Expected
  /** Of the lock, which must be held. */
  token: string
  signal?: AbortSignalLike | undefined
  /** Called with the bytes of an older part that have been hashed. */
  onCheck?: ((bytes: number) => void) | undefined
}

/** What `<part>.json` says. */
interface Origin {
  sha256: string
  etag: string | undefined
  owner: Owner | undefined
}

const READ_BYTES = 1 << 20

/** Another process took this part over, because this one had not moved for long. */
export class PartLostError extends Error {}

export class Part {
  /** Bytes that have arrived. */
  size = 0
  /** All bytes came with one answer of the server. */
  isOnePiece = true
  /** ETag of what has arrived. */
  etag: string | undefined
  private hash: Hash = createHash('sha256')
  /** Placed, discarded or lost: there is nothing left to release. */
  private isOver = false

  private constructor(
    private readonly path: string,
    private readonly options: ClaimOptions,
    private readonly handle: FileHandle,
  ) {}

  /** Takes over what an earlier download left, or starts anew. */
  static async claim(options: ClaimOptions): Promise<Part> {
    const path = `${options.final}.${options.token}.part`
    const origin = await adopt(path, options)
    if (origin === undefined) await writeOrigin(path, options, { etag: undefined })
    const handle = await open(path, origin === undefined ? 'wx+' : 'r+')
    const part = new Part(path, options, handle)
    try {
      if (origin !== undefined) await part.rehash(origin.etag)
    } catch (error) {
      await part.release()
      throw error
    }
    return part
  }

  /** Hashes what is there; the bytes before a crash of the machine may not be what was written. */
  private async rehash(etag: string | undefined): Promise<void> {
    const { expected, signal, onCheck } = this.options
    const buffer = Buffer.allocUnsafe(READ_BYTES)
    this.etag = etag
    this.isOnePiece = false
    for (;;) {
      throwIfAborted(signal)
      const { bytesRead } = await this.handle.read(buffer, 0, READ_BYTES, this.size)
      if (bytesRead === 0) break
      this.hash.update(buffer.subarray(0, bytesRead))
      this.size += bytesRead
      onCheck?.(this.size)
    }
    if (this.size > expected.size) await this.reset()
  }

  async append(chunk: Buffer): Promise<void> {
    for (let done = 0; done < chunk.length; ) {
      const rest = chunk.length - done
      const { bytesWritten } = await this.handle.write(chunk, done, rest, this.size)
      // Hashed as written, so that size, hash and file agree even if the disk fills up in between.
      this.hash.update(chunk.subarray(done, done + bytesWritten))
      this.size += bytesWritten
      done += bytesWritten
    }
  }

  /** Back to no bytes. */
  async reset(): Promise<void> {
    await this.handle.truncate(0)
    this.hash = createHash('sha256')
    this.size = 0
    this.isOnePiece = true
    this.etag = undefined
  }

  /** Records what the bytes that are about to be appended belong to. */
  async belongsTo(etag: string | undefined): Promise<void> {
    if (this.etag === etag) return
    this.etag = etag
    await this.orLost(() => writeOrigin(this.path, this.options, { etag }))
  }

  /** SHA-256 of the bytes so far, in lower-case hex. */
  digest(): string {
    return this.hash.copy().digest('hex')
  }

  /**
   * Makes the part the file itself, safely on disk.
   *
   * @throws PartLostError when the part was taken over by another process
   */
  async place(): Promise<void> {
    await this.handle.sync()
    await this.handle.close()
    await this.orLost(() => rename(this.path, this.options.final))
    this.isOver = true
    await syncDirectory(dirname(this.options.final))
    await rm(originPath(this.path), { force: true })
  }

  /** Leaves the bytes for a later download. Never throws: it runs when something else went wrong. */
  async release(): Promise<void> {
    const left = `${this.options.final}.part`
    if (this.isOver) return
    try {
      // Not `this.size`: we may have been stopped before all that is there was hashed.
      const { size } = await this.handle.stat()
      await this.handle.close()
      if (size === 0) return await this.discard()
      await writeOrigin(left, this.options, { etag: this.etag, owner: null })
      await rename(this.path, left)
      await rm(originPath(this.path), { force: true })
    } catch {
      // The part stays under its own name; the next owner finds it there too.
    }
  }

  private async discard(): Promise<void> {
    this.isOver = true
    await this.handle.close().catch(() => {})
    await rm(this.path, { force: true })
    await rm(originPath(this.path), { force: true })
  }

  /** Files that are no longer there were taken over by another process. */
  private async orLost(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      await this.discard()
      throw new PartLostError()
    }
  }
}

/** Makes `path` the longest usable part that there is, and clears away all others. */
async function adopt(path: string, options: ClaimOptions): Promise<Origin | undefined> {
  const { usable, useless, strays } = await survey(options)
  const best = usable.sort((a, b) => b.size - a.size)[0]
  if (best !== undefined) {
    // The record first: if we are killed in between, the old part still has its own.
    await writeOrigin(path, options, { etag: best.origin.etag })
    const isQuiet = best.origin.owner === undefined || isGone(best.origin.owner)
    if (isQuiet) await rename(best.path, path)
    else await copyFile(best.path, path, constants.COPYFILE_FICLONE)
  }
  for (const old of [...usable.map((part) => part.path), ...useless]) {
    await rm(old, { force: true })
    await rm(originPath(old), { force: true })
  }
  for (const stray of strays) await rm(stray, { force: true })
  return best?.origin
}

interface Survey {
  usable: { path: string; size: number; origin: Origin }[]
  /** Parts of other content, empty ones, and records without a part. */
  useless: string[]
  /** Temporary files of processes that were killed. */
  strays: string[]
}

async function survey({ final, expected }: ClaimOptions): Promise<Survey> {
  const directory = dirname(final)
  const prefix = `${basename(final)}.`
  const entries = (await readdir(directory)).filter((name) => name.startsWith(prefix))
  const rests = entries.map((name) => name.slice(prefix.length))
  const parts = new Set(
    rests.map((rest) => /^(?:[0-9a-f]{16}\.)?part(?=$|\.json$)/.exec(rest)?.[0]),
  )
  const found: Survey = { usable: [], useless: [], strays: [] }
  for (const part of parts) {
    if (part === undefined) continue
    const path = join(directory, prefix + part)
    const origin = await readOrigin(path)
    const size = await sizeOf(path)
    if (origin?.sha256 === expected.sha256 && size > 0) found.usable.push({ path, size, origin })
    else found.useless.push(path)
  }
  const isStray = (rest: string) => /(^|\.)json\.[0-9a-f]{8}\.tmp$|^lock\.[0-9a-f]{16}$/.test(rest)
  found.strays = rests.filter(isStray).map((rest) => join(directory, prefix + rest))
  return found
}

async function sizeOf(path: string): Promise<number> {
  try {
    const found = await stat(path)
    return found.isFile() ? found.size : 0
  } catch {
    return 0
  }
}

function originPath(part: string): string {
  return `${part}.json`
}

async function readOrigin(part: string): Promise<Origin | undefined> {
  try {
    const content = JSON.parse(await readFile(originPath(part), 'utf8')) as Record<string, unknown>
    const { sha256, etag, owner } = content
    if (typeof sha256 !== 'string') return undefined
    return {
      sha256,
      etag: typeof etag === 'string' ? etag : undefined,
      owner: parseOwner(owner),
    }
  } catch {
    return undefined
  }
}

async function writeOrigin(
  part: string,
  { expected }: ClaimOptions,
  { etag, owner = thisProcess() }: { etag: string | undefined; owner?: Owner | null },
): Promise<void> {
  const { size, sha256 } = expected
  await writeFileAtomic(originPath(part), JSON.stringify({ size, sha256, etag, owner }))
}
