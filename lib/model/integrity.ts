/**
 * Are a model's bytes the ones they should be?
 *
 * What a file should hash to is known from the caller, from its sidecar (written by whatever made the
 * file, or by the first load), or from its name and exact size if they are a pinned file's. A file is
 * hashed once in full (about a second for bge-m3) and then trusted while device, inode, size, mtime and
 * ctime stay as they were; that it was hashed is remembered in a small file in the cache directory.
 */

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { basename } from 'node:path'
import type { URL } from 'node:url'
import { type AbortSignalLike, abortReason, throwIfAborted } from '../common/abort.js'
import {
  EmbedderError,
  IntegrityError,
  ModelLoadError,
  ModelNotFoundError,
} from '../common/errors.js'
import { checkFunction, checkSignal, namesOf, refuseUnknown } from '../common/given.js'
import { pathOf } from '../common/path.js'
import { GgufFile } from './formats/gguf/reader.js'
import { HashMemory, type Identity, identify as identifyFile, isSettled } from './hash-memory.js'
import { aboutCached } from './hf-cache.js'
import { pinOf } from './pins.js'
import { isTaken, readSidecar, writeSidecar } from './sidecar.js'

/** What a file's bytes must be. */
export interface Expected {
  readonly size: number
  /** Lower-case hex. */
  readonly sha256: string
}

/** What somebody pins: its length may be any. */
export interface Pinned {
  readonly size?: number | undefined
  /** Lower-case hex. */
  readonly sha256: string
}

/**
 * Where it is known from: the caller, the record beside it, the name of its bytes in Hugging Face's cache, or the
 * pins of this package.
 */
export type ExpectedSource = 'given' | 'sidecar' | 'cache' | 'pin'

/** Options of hashing a file. */
export interface HashOptions {
  signal?: AbortSignalLike | undefined
  /** Called with the bytes hashed so far. */
  onProgress?: ((bytes: number) => void) | undefined
}

const CHUNK_BYTES = 1 << 20

/**
 * SHA-256 (lower-case hex) and length of a file, read in chunks so that the event loop goes on.
 */
export async function hashFile(path: string, options: HashOptions = {}): Promise<Expected> {
  const { signal, onProgress } = options
  throwIfAborted(signal)
  const hash = createHash('sha256')
  let size = 0
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES })) {
      throwIfAborted(signal)
      hash.update(chunk as Buffer)
      size += (chunk as Buffer).length
      onProgress?.(size)
    }
  } catch (error) {
    throw signal?.aborted ? abortReason(signal) : readError(path, error)
  }
  return { size, sha256: hash.digest('hex') }
}

/** What is known about a file: `given`, else its sidecar, else its blob's name, else the pin of its name and size. */
export async function expectedOf(
  path: string,
  size: number,
  given?: Pinned,
): Promise<(Expected & { source: ExpectedSource }) | undefined> {
  if (given !== undefined) {
    return { size: given.size ?? size, sha256: given.sha256, source: 'given' }
  }
  const sidecar = await readSidecar(path)
  if (sidecar !== undefined) {
    return { size: sidecar.size, sha256: sidecar.sha256, source: 'sidecar' }
  }
  const cached = await aboutCached(path)
  if (cached?.sha256 !== undefined) return { size, sha256: cached.sha256, source: 'cache' }
  const pin = pinOf(basename(path), size)
  return pin && { size: pin.size, sha256: pin.sha256, source: 'pin' }
}

/** Options of checking a file. */
export interface IntegrityOptions extends HashOptions {
  /** `auto`: as described above; `always`: hash the file every time; `never`: do not look. */
  verify?: 'auto' | 'always' | 'never' | undefined
  /** What the file must be, if the caller knows better than sidecar and pin; compared even if `verify` is `never`. */
  expected?: Pinned | undefined
  /** The `cacheDir` option. */
  cacheDir?: string | undefined
}

export interface IntegrityResult {
  /**
   * `verified`: hashed now; `trusted`: hashed before, and unchanged since; `unknown`: nothing to
   * compare with; `skipped`: `verify` is `never`.
   */
  readonly status: 'verified' | 'trusted' | 'unknown' | 'skipped'
  /** What the file hashes to; not known for `skipped`. */
  readonly sha256?: string
  readonly source?: ExpectedSource
  /** Of `unknown`: for whoever finds that the file is a model, to have it known from now on. */
  readonly record?: () => Promise<void>
}

/**
 * The check at load.
 *
 * @throws IntegrityError when the file's length or bytes are not what they should be
 * @throws ModelNotFoundError when there is no file, ModelLoadError when it cannot be read
 */
export async function checkIntegrity(
  path: string,
  options: IntegrityOptions = {},
): Promise<IntegrityResult> {
  const { verify = 'auto' } = options
  if (verify === 'never' && options.expected === undefined) return { status: 'skipped' }

  const before = await identify(path)
  const expected = await expectedOf(path, before.size, options.expected)
  const memory = new HashMemory(options.cacheDir)
  const remembered = verify === 'always' ? undefined : await memory.recall(before)
  if (expected === undefined) {
    const actual = remembered ?? (await hashFile(path, options)).sha256
    const record = () => recordFirst(path, { before, memory, sha256: actual })
    return { status: 'unknown', sha256: actual, record }
  }
  const known = { sha256: expected.sha256, source: expected.source }
  if (before.size !== expected.size) throw wrongSize(path, before.size, expected.size)

  if (remembered === expected.sha256) return { status: 'trusted', ...known }
  const actual = await hashFile(path, options)
  if (actual.sha256 !== expected.sha256) throw wrongBytes(path, actual.sha256, expected)
  await memory.remember(before, await identify(path), expected.sha256)
  return { status: 'verified', ...known }
}

/** Where the directory cannot be written to, the memory in the cache directory is all there is. */
async function recordFirst(
  path: string,
  { before, memory, sha256 }: { before: Identity; memory: HashMemory; sha256: string },
): Promise<void> {
  const after = await identify(path)
  // what is still being written may be whole tomorrow, and another file
  if (!isSettled(before, after)) return
  await memory.remember(before, after, sha256)
  await recordChecksum(path, { size: after.size, sha256 })
}

/**
 * Records what a file hashes to that was not fetched. A neighbour that is not ours stays, and where nothing
 * can be written nothing is.
 */
export async function recordChecksum(path: string, sums: Expected): Promise<void> {
  if (await isTaken(path)) return
  const date = new Date().toISOString()
  const nowhere = { url: '', repository: '', revision: '' }
  await writeSidecar(path, { ...nowhere, ...sums, date }).catch(() => {})
}

const VERIFY_NAMES = namesOf<Omit<IntegrityOptions, 'verify'>>({
  expected: 1,
  cacheDir: 1,
  signal: 1,
  onProgress: 1,
})

/** What `verifyModel` found. */
export interface VerifyReport {
  readonly path: string
  readonly size: number
  readonly sha256: string
  /** `ok`: the bytes are the right ones; `unknown`: nothing is known to compare them with. */
  readonly status: 'ok' | 'unknown'
  readonly source?: ExpectedSource
  /** What the header says, where the file is a GGUF. */
  readonly header?: {
    readonly architecture: string
    readonly name: string
    readonly tensors: number
  }
}

/**
 * `bge-m3 model verify`: hashes the whole file, compares, and checks a GGUF's header (every key,
 * and that every tensor lies inside the file).
 *
 * @throws IntegrityError when the file's length or bytes are not what they should be
 * @throws ModelLoadError when the header is damaged
 */
export async function verifyModel(
  file: string | URL,
  options: Omit<IntegrityOptions, 'verify'> = {},
): Promise<VerifyReport> {
  refuseUnknown(options, VERIFY_NAMES, 'verifyModel')
  checkSignal(options.signal)
  checkFunction('onProgress', options.onProgress)
  const path = pathOf(file, 'What to verify')
  const before = await identify(path)
  const expected = await expectedOf(path, before.size, options.expected)
  if (expected && before.size !== expected.size) {
    throw wrongSize(path, before.size, expected.size)
  }
  const actual = await hashFile(path, options)
  if (expected && actual.sha256 !== expected.sha256) {
    throw wrongBytes(path, actual.sha256, expected)
  }
  // Heads are checked by their own reader; by its checksum such a file is right or wrong already.
  const header = path.toLowerCase().endsWith('.pt') ? undefined : await readHeader(path)
  if (expected) {
    const memory = new HashMemory(options.cacheDir)
    await memory.remember(before, await identify(path), expected.sha256)
  }
  return {
    path,
    size: actual.size,
    sha256: actual.sha256,
    status: expected ? 'ok' : 'unknown',
    ...(expected && { source: expected.source }),
    ...(header && { header }),
  }
}

async function readHeader(path: string): Promise<NonNullable<VerifyReport['header']>> {
  const file = await GgufFile.open(path)
  try {
    return {
      architecture: file.string('general.architecture') ?? '',
      name: file.string('general.name') ?? '',
      tensors: file.tensors.size,
    }
  } finally {
    await file.close()
  }
}

async function identify(path: string): Promise<Identity> {
  try {
    return await identifyFile(path)
  } catch (error) {
    throw readError(path, error)
  }
}

const MEND =
  'Run `bge-m3 model pull` to fetch the right file. If it was changed on purpose, remove the .json ' +
  'file beside it, or load with `verify: "never"` (BGE_M3_VERIFY=never).'

function wrongSize(path: string, actual: number, expected: number): IntegrityError {
  return new IntegrityError(
    `${path} has ${actual} bytes where it should have ${expected}: it is damaged or another file. ${MEND}`,
  )
}

function wrongBytes(
  path: string,
  actual: string,
  { sha256, source }: { sha256: string; source: ExpectedSource },
): IntegrityError {
  const what =
    source === 'given' ? 'not the file that was pinned, or damaged' : 'damaged or another file'
  const mend = source === 'given' ? '' : ` ${MEND}`
  return new IntegrityError(
    `${path} is ${what}: its sha256 is ${actual} where it should be ${sha256}.${mend}`,
  )
}

function readError(path: string, error: unknown): unknown {
  if (error instanceof EmbedderError) return error
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new ModelNotFoundError(`There is no file at ${path}.`, { cause: error })
  }
  return new ModelLoadError(`Cannot read ${path} (${code ?? 'unknown error'}).`, { cause: error })
}
