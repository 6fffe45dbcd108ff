/**
 * A model's file on this machine, fetched if need be: what `Embedder.load` and every command do with a
 * `model`. Two processes that ask for the same model at once fetch it once.
 */

import { copyFile, mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { URL } from 'node:url'
import { throwIfAborted } from '../../common/abort.js'
import { InvalidInputError, ModelLoadError, ModelNotFoundError } from '../../common/errors.js'
import { checkFunction, checkSignal, namesOf, refuseUnknown } from '../../common/given.js'
import { formatSize } from '../../common/units.js'
import { chooseGguf } from '../gguf-choice.js'
import { findBlob } from '../hf-cache.js'
import { Lock } from '../hub/lock.js'
import { storing } from '../hub/pull.js'
import { askRepository, type Repository } from '../hub/repository.js'
import {
  findFetched,
  lookFor,
  modelsDir,
  notFetched,
  pinsOf,
  repositoriesOf,
} from '../locations.js'
import { isRunnable } from '../names.js'
import type { FixedPin } from '../pins.js'
import { checkKind, PURPOSES } from '../purpose.js'
import { folderOf, type HubReference } from '../reference.js'
import { contextOf, type FetchContext, type FetchOptions } from './context.js'
import { convertHere, localCheckpoint } from './convert-here.js'
import { fixedPin, pullInto } from './pull-into.js'

const NAMES = namesOf<FetchOptions>({
  cacheDir: 1,
  env: 1,
  download: 1,
  purpose: 1,
  signal: 1,
  logger: 1,
  onProgress: 1,
  onNotice: 1,
  endpoint: 1,
  token: 1,
  patience: 1,
})

/**
 * The absolute path of the model to load: as `findModel`, and what is not here yet is fetched.
 *
 * @param source what names `option`, for a message
 * @throws ModelNotFoundError for a path that leads nowhere, and where nothing may be fetched;
 *   DownloadError, IntegrityError, ModelLoadError for what cannot be converted; the signal's reason
 */
export async function ensureModel(
  option: string | URL | undefined,
  options: FetchOptions = {},
  source?: string,
): Promise<string> {
  refuseUnknown(options, NAMES, 'ensureModel')
  checkSignal(options.signal)
  checkFunction('onProgress', options.onProgress)
  checkFunction('onNotice', options.onNotice)
  throwIfAborted(options.signal)
  if (options.purpose !== undefined && !PURPOSES.includes(options.purpose)) {
    throw new InvalidInputError(`purpose must be one of ${PURPOSES.join(', ')}.`)
  }
  const { path, hub } = await lookFor(option, options, source)
  checkKnown(hub, options)
  return path ?? fetchModel(hub as HubReference, options)
}

/** The table knows the kind of a model before anything of it is here. @throws ModelLoadError */
function checkKnown(hub: HubReference | undefined, { purpose }: FetchOptions): void {
  if (hub?.known === undefined || purpose === undefined) return
  checkKind(hub.text, hub.known.pooling === 'rank', purpose)
}

/** Fetches a model of the hub, unless another process does or did. */
export async function fetchModel(
  reference: HubReference,
  options: FetchOptions = {},
): Promise<string> {
  refuseUnrunnable(reference)
  const context = contextOf(reference, options)
  const { forbidden, dir, patience, signal } = context
  if (forbidden !== undefined && !(await isAtHand(reference, context))) {
    throw notFetched(reference, options, forbidden)
  }
  return storing(dir, async () => {
    const models = modelsDir(options.cacheDir)
    await mkdir(models, { recursive: true })
    const lock = await Lock.acquire(join(models, `${folderOf(reference)}.lock`), {
      patience,
      signal,
    })
    try {
      // whoever held the lock before may have done the work
      return (await findFetched(reference, options)) ?? (await fetchLocked(reference, context))
    } finally {
      await lock.release()
    }
  })
}

function refuseUnrunnable({ known }: HubReference): void {
  if (known === undefined || isRunnable(known)) return
  throw new ModelLoadError(
    `${known.name} is of the architecture ${known.architecture}, which this version cannot run. ` +
      '`bge-m3 model list` says which models it can.',
  )
}

/** Whether it can be had without the network, from Hugging Face's own cache. */
async function isAtHand(reference: HubReference, context: FetchContext): Promise<boolean> {
  const pins = pinsOf(reference)
  if (pins === undefined) {
    return (await localCheckpoint(reference, undefined, context)) !== undefined
  }
  const blobs = pins.map((pin) => findBlob(pin.repository, pin, context.options.env))
  return (await Promise.all(blobs)).every((blob) => blob !== undefined)
}

async function fetchLocked(reference: HubReference, context: FetchContext): Promise<string> {
  const pins = pinsOf(reference)
  if (pins !== undefined) return fetchPinned(pins, reference, context)
  if (context.forbidden !== undefined) return convertHere(reference, undefined, context)
  let official: Repository | undefined
  for (const repository of repositoriesOf(reference)) {
    const found = await ask(repository, reference, context)
    if (repository === reference.repository) official = found
    const paths = found.files.map(({ path }) => path)
    const path = reference.file ?? chooseGguf(paths, reference.quant)
    const file = found.files.find((one) => one.path === path)
    if (file === undefined) continue
    const pin = fixedPin(reference, repository, found, file)
    return fetchGguf([pin], reference, context)
  }
  if (reference.file !== undefined) {
    throw new ModelNotFoundError(
      `${reference.repository} has no file ${reference.file} at revision ${reference.revision}.`,
    )
  }
  return convertHere(reference, official, context)
}

function ask(
  repository: string,
  { revision, known }: HubReference,
  context: FetchContext,
): Promise<Repository> {
  // a repository of GGUFs has branches of its own
  const isOfGgufs = repository === known?.ggufRepository
  return askRepository(repository, isOfGgufs ? 'main' : revision, context)
}

async function fetchPinned(
  pins: readonly FixedPin[],
  reference: HubReference,
  context: FetchContext,
): Promise<string> {
  for (const pin of pins) await linkFromHfCache(pin, context)
  return fetchGguf(pins, reference, context)
}

async function fetchGguf(
  pins: readonly FixedPin[],
  { text }: HubReference,
  context: FetchContext,
): Promise<string> {
  const { hub, dir, notice } = context
  const size = formatSize(pins.reduce((sum, pin) => sum + pin.size, 0))
  const from = (pins.at(-1) as FixedPin).repository
  notice(`Fetching ${text} (${size}) from ${hub.endpoint.host}/${from} to ${dir}.`)
  const { model } = await pullInto(dir, pins, context)
  if (model !== undefined) return model
  throw new ModelNotFoundError(`There is no GGUF among the files of ${text}.`)
}

/** A link to the bytes, which pulling checks as if it had fetched them; a copy where links are not allowed. */
async function linkFromHfCache(pin: FixedPin, { dir, options }: FetchContext): Promise<void> {
  const blob = await findBlob(pin.repository, pin, options.env)
  if (blob === undefined) return
  await mkdir(dir, { recursive: true })
  const path = join(dir, pin.name)
  await symlink(blob, path).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPERM') await copyFile(blob, path)
    else if (error.code !== 'EEXIST') throw error
  })
}
