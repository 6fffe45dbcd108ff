/**
 * `bge-m3 model pull`: gets files from a hub, whole and checked, or not at all.
 *
 * Per file: is it there already? -> lock -> take over what an earlier pull left -> download the rest
 * -> check length and sha256 -> sync -> rename into place -> sidecar. At no moment is there a file
 * under its final name that is not complete and checked.
 */

import { mkdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { throwIfAborted } from '../../common/abort.js'
import { EmbedderError, IntegrityError, InvalidInputError } from '../../common/errors.js'
import { checkFunction, checkSignal, refuseUnknown } from '../../common/given.js'
import { pathOf } from '../../common/path.js'
import { isError } from '../../common/realms.js'
import type { DownloadProgress, Logger } from '../../common/types.js'
import { hashFile } from '../integrity.js'
import { defaultModelDir } from '../locations.js'
import { BGE_M3_PINS, type FilePin, type FixedPin, MODEL_PIN } from '../pins.js'
import { isSha256, isSize, readSidecar, removeSidecar, writeSidecar } from '../sidecar.js'
import { noSpace, offline, storageFailure, type Target } from './failures.js'
import { fetchFile } from './fetch-file.js'
import { fileUrl, findHub, type Hub, publicUrl } from './hub.js'
import { Lock } from './lock.js'
import {
  PATIENCE,
  PULL_NAMES,
  type PullContext,
  type PulledFile,
  type PullOptions,
  type PullResult,
} from './options.js'
import { Part, PartLostError } from './part.js'
import { ProgressMeter } from './progress.js'
import { resolvePin } from './resolve-pin.js'
import { lackOfSpace } from './space.js'

/**
 * Downloads the pinned bge-m3 (635 MB and its two heads), or other files.
 *
 * A call that is cut off, by whatever, is continued by the next one. Calls at the same time, in any
 * number of processes, download once.
 *
 * @throws DownloadError, with what to do next; IntegrityError when the hub has other bytes;
 *   InvalidInputError; the signal's reason
 */
export async function pullModel(options: PullOptions = {}): Promise<PullResult> {
  refuseUnknown(options, PULL_NAMES, 'pullModel')
  const { signal, logger } = options
  checkSignal(signal)
  checkFunction('onProgress', options.onProgress)
  const files = withRevision(options.files ?? BGE_M3_PINS, options.revision)
  checkNames(files)
  const context: PullContext = {
    hub: findHub(options),
    dir: resolve(
      options.dir === undefined
        ? defaultModelDir(options.cacheDir)
        : pathOf(options.dir, 'The option `dir`'),
    ),
    patience: { ...PATIENCE, ...options.patience },
    // In the cache directory everything is ours.
    force: options.force ?? options.dir === undefined,
    signal,
    logger,
  }
  throwIfAborted(signal)
  const report = guarded(options.onProgress, logger)
  const pulled: PulledFile[] = []
  for (const [index, file] of files.entries()) {
    const pin = await resolvePin(file, context)
    const about = { file: pin.name, index, count: files.length, total: pin.size }
    const target = { hub: context.hub, file: pin, path: join(context.dir, pin.name) }
    const meter = new ProgressMeter(about, report)
    pulled.push(await storing(target.path, () => pullFile(target, context, meter)))
  }
  const model = pulled.find((file) => file.name.toLowerCase().endsWith('.gguf'))
  return { dir: context.dir, model: model?.path, files: pulled }
}

type FixedTarget = Target & { file: FixedPin }

async function pullFile(
  target: FixedTarget,
  context: PullContext,
  meter: ProgressMeter,
): Promise<PulledFile> {
  const { file, path } = target
  const { signal, logger, patience } = context
  const done = (status: PulledFile['status'], transferred: number): PulledFile => {
    meter.update('done', file.size)
    return { name: file.name, path, size: file.size, sha256: file.sha256, status, transferred }
  }
  if (await isThere(target, context, meter)) return done('present', 0)
  if (context.hub.offline) throw offline(target)

  for (;;) {
    await mkdir(context.dir, { recursive: true })
    const onWait = () => meter.update('wait', 0)
    const lock = await Lock.acquire(`${path}.lock`, { patience, signal, onWait })
    try {
      // Whoever held the lock before may have done the work.
      if (await isThere(target, context, meter)) return done('present', 0)
      return done('downloaded', await download(target, context, lock, meter))
    } catch (error) {
      if (!(error instanceof PartLostError)) throw error
      logger?.info?.(`${file.name}: another process took over the download; waiting for it`)
    } finally {
      await lock.release()
    }
  }
}

async function download(
  target: FixedTarget,
  context: PullContext,
  lock: Lock,
  meter: ProgressMeter,
): Promise<number> {
  const { file, path } = target
  const { signal, logger, patience } = context
  const part = await Part.claim({
    final: path,
    expected: file,
    token: lock.token,
    signal,
    onCheck: (bytes) => meter.update('check', bytes),
  })
  try {
    if (part.size > 0) logger?.info?.(`${file.name}: going on at byte ${part.size} of ${file.size}`)
    const lack = await lackOfSpace(context.dir, file.size - part.size)
    if (lack !== undefined) throw noSpace(lack.needed, lack.available, target)
    meter.update('download', part.size)
    const onBytes = (received: number) => meter.update('download', received)
    const transferred = await fetchFile(part, { target, patience, signal, logger, onBytes })
    await place(part, target)
    return transferred
  } catch (error) {
    await part.release()
    throw error
  }
}

async function place(part: Part, { hub, file, path }: FixedTarget): Promise<void> {
  await removeSidecar(path)
  await part.place()
  await record(hub, file, path)
}

async function record(hub: Hub, file: FixedPin, path: string): Promise<void> {
  await writeSidecar(path, {
    url: publicUrl(fileUrl(hub, file)),
    repository: file.repository,
    revision: file.revision,
    size: file.size,
    sha256: file.sha256,
    date: new Date().toISOString(),
  })
}

/**
 * Whether the right file is in place, by its full checksum: a pull also finds and mends damage.
 *
 * @throws IntegrityError when another file is there that is not ours to replace
 */
async function isThere(
  target: FixedTarget,
  { force, signal, logger }: PullContext,
  meter: ProgressMeter,
): Promise<boolean> {
  const { hub, file, path } = target
  const onProgress = (bytes: number) => meter.update('check', Math.min(bytes, file.size))
  const size = await sizeOf(path)
  if (size === undefined) return false
  const sidecar = await readSidecar(path)
  const isSame =
    size === file.size && (await hashFile(path, { signal, onProgress })).sha256 === file.sha256
  if (isSame) {
    if (sidecar?.sha256 !== file.sha256 || !sidecar.url) await record(hub, file, path)
    return true
  }
  if (!sidecar?.url && !force) {
    throw new IntegrityError(
      `${path} exists and is not the pinned file (${file.size} bytes, sha256 ${file.sha256}), and ` +
        'this package did not put it there. Move it away, choose another directory, or use --force to replace it.',
    )
  }
  const isDamaged = sidecar?.sha256 === file.sha256
  logger?.warn?.(`${path} is ${isDamaged ? 'damaged' : 'another version'}; it will be replaced`)
  return false
}

/** Bytes of whatever has this name; `undefined` if nothing has. */
async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Runs what touches the disk; its errors say what went wrong and what to do. */
export async function storing<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const isStorage = isError(error) && 'syscall' in error && !(error instanceof EmbedderError)
    throw isStorage ? storageFailure(error, path) : error
  }
}

/** `revision` is one of the model's repository; what it holds is for the hub to say. */
function withRevision(files: readonly FilePin[], revision: string | undefined): readonly FilePin[] {
  if (revision === undefined) return files
  return files.map((file) => {
    if (file.repository !== MODEL_PIN.repository || file.revision === revision) return file
    const { size: _size, sha256: _sha256, ...rest } = file
    return { ...rest, revision }
  })
}

function checkNames(files: readonly FilePin[]): void {
  for (const { name, size, sha256 } of files) {
    if (!/^[\w-][\w.+-]*$/.test(name)) {
      throw new InvalidInputError('The name of a file to pull must be a plain file name.')
    }
    const isFixed = isSize(size) && isSha256(sha256)
    if (!isFixed && (size !== undefined || sha256 !== undefined)) {
      throw new InvalidInputError(
        `${name}: size and sha256 (64 lower-case hex digits) must both be given, or neither.`,
      )
    }
  }
}

/** A progress bar that throws must not cost the download. */
export function guarded(
  onProgress: ((progress: DownloadProgress) => void) | undefined,
  logger: Logger | undefined,
): typeof onProgress {
  if (onProgress === undefined) return undefined
  let failed = false
  return (progress) => {
    if (failed) return
    try {
      onProgress(progress)
    } catch (error) {
      failed = true
      logger?.warn?.(
        `onProgress threw ${isError(error) ? error.name : 'something'}; it is not called again`,
      )
    }
  }
}
