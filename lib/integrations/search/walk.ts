/** The files under a folder that belong into an index, and why others do not. */

import { type BigIntStats, type Dirent, constants as fsConstants } from 'node:fs'
import { lstat, open, readdir, realpath, stat } from 'node:fs/promises'
import { basename, extname, join, sep } from 'node:path'
import { throwIfAborted } from '../../common/abort.js'
import { InvalidInputError } from '../../common/errors.js'
import type { FileState } from './files.js'
import { IgnoreRules, PatternList } from './ignore-rules.js'
import type { FileFailure, SkipReason, UpdateOptions } from './types.js'

const TEXT = /^\.(txt|text|md|markdown|mdown|mkd|mdx|rst|adoc|asciidoc|org|tex)$/i
const HTML = /^\.(html?|xhtml)$/i
const DEFAULT_MAX_FILE_SIZE = 10_000_000

export interface FoundFile {
  path: string
  state: FileState
  isHtml: boolean
}

/** Where a walk tells what it met. */
export interface WalkListener {
  onFile(file: FoundFile): void
  onSkip(path: string, reason: SkipReason): void
  /** What is under this path could not be seen. */
  onFailure(failure: FileFailure): void
}

export interface WalkOptions extends Omit<UpdateOptions, 'onProgress'> {
  /** The folder of the index, which is never part of it. */
  store: string
}

/**
 * Tells the listener of everything at or under a path, in the order of names.
 *
 * @param root an absolute path of a folder, or of one file, which is then taken whatever its name is
 * @throws InvalidInputError when there is nothing there
 */
export async function walk(
  root: string,
  options: WalkOptions,
  listener: WalkListener,
): Promise<void> {
  const info = await stat(root, { bigint: true }).catch((error: NodeJS.ErrnoException) => {
    throw new InvalidInputError(`${shown(root)} cannot be read (${error.code}).`, { cause: error })
  })
  const walker = new Walker(root, options, listener)
  if (info.isDirectory()) await walker.top()
  else walker.file(root, info)
}

/** A path for a message: control characters could rewrite a terminal. */
export function shown(path: string): string {
  return path.replace(/\p{Cc}/gu, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

class Walker {
  readonly #root: string
  readonly #options: WalkOptions
  readonly #listener: WalkListener
  readonly #include: PatternList
  readonly #exclude: PatternList
  /** Real paths of the folders that were read: a link to one of them is a loop, or would double it. */
  readonly #visited = new Set<string>()

  constructor(root: string, options: WalkOptions, listener: WalkListener) {
    this.#root = root
    this.#options = options
    this.#listener = listener
    this.#include = PatternList.of(root, options.include ?? [])
    this.#exclude = PatternList.of(root, ['node_modules', '.git', ...(options.exclude ?? [])])
  }

  async top(): Promise<void> {
    const { gitignore = true } = this.#options
    await this.#folder(this.#root, gitignore ? await IgnoreRules.above(this.#root) : undefined)
  }

  /** @param outer the rules around it, if any are to hold */
  async #folder(path: string, outer: IgnoreRules | undefined): Promise<void> {
    throwIfAborted(this.#options.signal)
    const { followSymlinks = false } = this.#options
    let entries: Dirent<Buffer>[]
    try {
      if (followSymlinks) {
        const real = await realpath(path)
        if (this.#visited.has(real)) {
          this.#listener.onSkip(path, 'symlink')
          return
        }
        this.#visited.add(real)
      }
      entries = await readdir(path, { withFileTypes: true, encoding: 'buffer' })
    } catch (error) {
      this.#failed(path, error)
      return
    }
    const rules = await outer?.enter(path)
    entries.sort((a, b) => Buffer.compare(a.name, b.name))
    for (const entry of entries) {
      const name = entry.name.toString('utf8')
      const child = join(path, name)
      if (!Buffer.from(name, 'utf8').equals(entry.name)) this.#listener.onSkip(child, 'name')
      else await this.#entry(child, rules)
    }
  }

  async #entry(path: string, rules: IgnoreRules | undefined): Promise<void> {
    const { hidden = false, followSymlinks = false, store } = this.#options
    const skip = (reason: SkipReason) => this.#listener.onSkip(path, reason)
    if (path === store) return skip('excluded')
    let info: BigIntStats
    try {
      info = await lstat(path, { bigint: true })
      if (info.isSymbolicLink()) {
        if (!followSymlinks) return skip('symlink')
        const target = await stat(path, { bigint: true }).catch(() => undefined)
        // it leads nowhere
        if (target === undefined) return skip('symlink')
        info = target
      }
    } catch (error) {
      // it was there a moment ago
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.#failed(path, error)
      return
    }
    const isFolder = info.isDirectory()
    if (this.#exclude.decide(path, isFolder)) return skip('excluded')
    if (!hidden && basename(path).startsWith('.')) return skip('hidden')
    if (rules?.ignores(path, isFolder)) return skip('ignored')
    if (isFolder) return this.#folder(path, rules)
    if (!info.isFile()) return skip('special')
    if (!this.#isWanted(path)) return skip('type')
    this.file(path, info)
  }

  file(path: string, info: BigIntStats): void {
    const { maxFileSize = DEFAULT_MAX_FILE_SIZE } = this.#options
    if (!info.isFile()) this.#listener.onSkip(path, 'special')
    else if (info.size > maxFileSize) this.#listener.onSkip(path, 'too-large')
    else this.#listener.onFile({ path, state: stateOf(info), isHtml: HTML.test(extname(path)) })
  }

  #isWanted(path: string): boolean {
    const extension = extname(path)
    // README, LICENSE: whether they are text their bytes tell
    if (extension === '' || TEXT.test(extension) || HTML.test(extension)) return true
    return this.#include.covers(path)
  }

  #failed(path: string, cause: unknown): void {
    this.#listener.onFailure({ path, error: readError(cause) })
  }
}

function stateOf({ size, mtimeNs, ctimeNs }: BigIntStats): FileState {
  return { size: Number(size), mtime: mtimeNs, ctime: ctimeNs }
}

function readError(cause: unknown): InvalidInputError {
  const { code } = cause as NodeJS.ErrnoException
  return new InvalidInputError(`It cannot be read (${code}).`, { cause })
}

/**
 * The bytes of a file and its state before they were read: if it changes meanwhile, the state is an old one
 * and the next update sees that.
 *
 * @throws InvalidInputError when it cannot be read
 */
export async function readWhole(path: string): Promise<{ bytes: Buffer; state: FileState }> {
  try {
    // it may have become a pipe, whose opening would wait for a writer
    const file = await open(path, fsConstants.O_RDONLY | (fsConstants.O_NONBLOCK ?? 0))
    try {
      const info = await file.stat({ bigint: true })
      if (!info.isFile()) throw Object.assign(new Error('no file'), { code: 'ENOTFILE' })
      return { bytes: await file.readFile(), state: stateOf(info) }
    } finally {
      await file.close()
    }
  } catch (error) {
    throw readError(error)
  }
}

/** Whether `path` is `folder` or lies in it. */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep)
}
