/** Where models are kept, and where one is looked for. */

import { constants } from 'node:fs'
import { access, readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { URL } from 'node:url'
import { cacheDir } from '../common/cache-dir.js'
import { ModelNotFoundError } from '../common/errors.js'
import { namesOf, nearest, refuseUnknown } from '../common/given.js'
import { chooseGguf } from './gguf-choice.js'
import { findSnapshot } from './hf-cache.js'
import { NAMED_MODELS, namedModel } from './names.js'
import { MODEL_PIN } from './pins.js'
import { folderOf, fromTable, type HubReference, parseReference } from './reference.js'

/** The GGUF that `bge-m3 model pull` fetches. */
export const DEFAULT_MODEL_FILE = MODEL_PIN.name

/** Where pulled models live. */
export function modelsDir(override?: string): string {
  return join(cacheDir(override), 'models')
}

/** The directory of the pulled bge-m3: the model and its heads, and nothing else, lie in it. */
export function defaultModelDir(override?: string): string {
  return join(modelsDir(override), 'bge-m3')
}

/** The file that is loaded when nothing else is named. It need not exist. */
export function defaultModelPath(override?: string): string {
  return join(defaultModelDir(override), DEFAULT_MODEL_FILE)
}

/** Where `findModel` looks. */
export interface FindModelOptions {
  /** Overrides the cache directory, as the `cacheDir` option does. */
  cacheDir?: string | undefined
  env?: Readonly<Record<string, string | undefined>> | undefined
}

const NAMES = namesOf<FindModelOptions>({ cacheDir: 1, env: 1 })

/** A model that was asked for: where it is, if it is there. */
export interface FoundModel {
  /** Absolute; undefined where the model is one of the hub that is not on this machine. */
  path: string | undefined
  /** Where it is on the hub; undefined where a path was named. */
  hub: HubReference | undefined
}

/**
 * The absolute path of the model to load: `option` if given, else `BGE_M3_MODEL`, else bge-m3 as it was
 * pulled. A path, a name (`all-MiniLM-L6-v2`) or a repository of the hub (`hf:OWNER/NAME`) that was
 * fetched; nothing is fetched here. What is named but not there is an error, never a reason to look
 * further, and a stand-in is never picked by itself. A directory stands for the one model in it.
 *
 * @throws ModelNotFoundError that says what was looked at and what to do
 * @throws InvalidInputError when the path is no path
 */
export async function findModel(
  option?: string | URL,
  options: FindModelOptions = {},
): Promise<string> {
  refuseUnknown(options, NAMES, 'findModel')
  const { path, hub } = await lookFor(option, options)
  if (path !== undefined) return path
  throw notFetched(hub as HubReference, options)
}

/**
 * As `findModel`, but a model of the hub that is not here is no error yet.
 *
 * @param source what names `option`, for a message
 */
export async function lookFor(
  option: string | URL | undefined,
  options: FindModelOptions,
  source = 'the `model` option',
): Promise<FoundModel> {
  const fromEnvironment = (options.env ?? process.env).BGE_M3_MODEL || undefined
  const named = option ?? fromEnvironment
  const from = option === undefined ? 'BGE_M3_MODEL' : source
  const reference = named === undefined ? DEFAULT : parseReference(named, from)
  if (reference.kind === 'path') {
    return { path: await modelAt(reference.path, from), hub: undefined }
  }
  return { path: await findFetched(reference, options), hub: reference }
}

const DEFAULT = fromTable(namedModel('bge-m3') as NonNullable<ReturnType<typeof namedModel>>)

/** Where a model of the hub goes. */
export function hubModelDir(hub: HubReference, override?: string): string {
  return join(modelsDir(override), folderOf(hub))
}

/** What was fetched from the hub, by us or by Hugging Face's own tools. */
export async function findFetched(
  hub: HubReference,
  { cacheDir: base, env }: FindModelOptions,
): Promise<string | undefined> {
  const directory = hubModelDir(hub, base)
  const pinned = pinsOf(hub)?.find(({ name }) => /\.gguf$/i.test(name))?.name
  const pulled = pinned ?? chooseGguf(await readdir(directory).catch(() => []))
  if (pulled !== undefined && (await look(join(directory, pulled))) === 'file') {
    return join(directory, pulled)
  }
  // its heads lie in another repository: fetching puts the files together
  if (pinned !== undefined) return undefined
  for (const repository of repositoriesOf(hub)) {
    const snapshot = await findSnapshot(repository, hub.revision, env)
    const file = snapshot && (hub.file ?? chooseGguf(snapshot.files, hub.quant))
    if (file !== undefined && snapshot?.files.includes(file)) return join(snapshot.directory, file)
  }
  return undefined
}

/** All its files, where their bytes are fixed. */
export function pinsOf({ known, quant, revision, file }: HubReference) {
  const isOurs = quant === undefined && file === undefined && revision === known?.revision
  return isOurs ? known?.pins : undefined
}

/** The repositories that may have a GGUF of it. */
export function repositoriesOf({ known, repository, file, revision }: HubReference): string[] {
  const own = file === undefined && revision === known?.revision ? known.ggufRepository : undefined
  return own === undefined ? [repository] : [own, repository]
}

/** @param why what keeps it from being fetched */
export function notFetched(
  hub: HubReference,
  { cacheDir: base }: Pick<FindModelOptions, 'cacheDir'>,
  why = '',
): ModelNotFoundError {
  const pull = hub.text === DEFAULT.text ? 'bge-m3 model pull' : `bge-m3 model pull ${hub.text}`
  return new ModelNotFoundError(
    `No model was found: ${hub.text} is not in ${hubModelDir(hub, base)}${why}. Run \`${pull}\` to ` +
      'download it, or name a GGUF file with `--model FILE`, the `model` option or BGE_M3_MODEL.',
  )
}

type Kind = 'file' | 'directory' | 'other' | 'missing' | 'unreadable'

async function look(path: string): Promise<Kind> {
  try {
    const found = await stat(path)
    await access(path, constants.R_OK)
    if (found.isFile()) return 'file'
    return found.isDirectory() ? 'directory' : 'other'
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    return code === 'ENOENT' || code === 'ENOTDIR' ? 'missing' : 'unreadable'
  }
}

/**
 * The absolute path of the model that is named, or the one in the directory that is.
 *
 * @param source what names it, for a message
 * @throws ModelNotFoundError, InvalidInputError
 */
async function modelAt(named: string, source: string): Promise<string> {
  const path = resolve(named)
  switch (await look(path)) {
    case 'file':
      return path
    case 'directory':
      return onlyModelIn(path, source)
    case 'missing':
      throw new ModelNotFoundError(`No model at ${path}, which ${source} names. ${hintFor(named)}`)
    case 'unreadable':
      throw new ModelNotFoundError(
        `The model at ${path}, which ${source} names, cannot be read. Check the permissions of the ` +
          'file and its directories.',
      )
    case 'other':
      throw new ModelNotFoundError(
        `${path}, which ${source} names, is not a regular file. Name a GGUF file, or its directory.`,
      )
  }
}

/** What else may be meant by what is no path. */
function hintFor(named: string): string {
  const names = NAMED_MODELS.map(({ name }) => name)
  const isPlain = /^[\w.-]+(\/[\w.-]+)?$/.test(named) && !/\.gguf$/i.test(named)
  const meant = isPlain ? nearest(named.split('/').at(-1) as string, names) : undefined
  if (meant !== undefined)
    return `Did you mean the model ${meant}? \`bge-m3 model list\` has all names.`
  if (isPlain && named.includes('/')) {
    return `Check the path; a repository of the hub is written hf:${named}.`
  }
  return (
    'Check the path, or run `bge-m3 model pull` to download bge-m3 and leave the model unnamed; ' +
    '`bge-m3 model list` has the models that go by a name.'
  )
}

async function onlyModelIn(directory: string, source: string): Promise<string> {
  const models = (await readdir(directory)).filter((name) => name.toLowerCase().endsWith('.gguf'))
  const chosen = models.includes(DEFAULT_MODEL_FILE) ? DEFAULT_MODEL_FILE : models[0]
  if (chosen === undefined || (models.length > 1 && chosen !== DEFAULT_MODEL_FILE)) {
    const what = chosen === undefined ? 'no GGUF file' : `${models.length} GGUF files`
    throw new ModelNotFoundError(
      `There ${models.length > 1 ? 'are' : 'is'} ${what} in ${directory}, which ${source} names. ` +
        'Name the file itself.',
    )
  }
  return modelAt(join(directory, chosen), source)
}
