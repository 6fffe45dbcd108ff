/** The models that go by a name or were fetched: which are here, and taking one away. */

import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { InvalidInputError, ModelNotFoundError } from '../../common/errors.js'
import { type FindModelOptions, findFetched, hubModelDir, modelsDir } from '../locations.js'
import { isRunnable, NAMED_MODELS, type NamedModel } from '../names.js'
import { fromTable, type HubReference, parseReference } from '../reference.js'
import { readSidecar } from '../sidecar.js'

/** A model of the table, or one that was fetched from elsewhere. */
export interface ListedModel {
  /** How it is named; for a folder that no name stands for, the folder's. */
  name: string
  known: NamedModel | undefined
  /** Whether this version can run it; undefined where only loading would tell. */
  runnable: boolean | undefined
  /** Absolute; undefined where it is not here. */
  path: string | undefined
  /** Bytes of that file. */
  size: number | undefined
  /** Where its bytes come from, as was recorded. */
  repository: string | undefined
  revision: string | undefined
}

/** The table's models first, in its order, then what else was fetched. */
export async function listModels(options: FindModelOptions = {}): Promise<ListedModel[]> {
  const named = NAMED_MODELS.map(async (known) => {
    const path = await findFetched(fromTable(known), options)
    return describe(known.name, path, known)
  })
  const names = new Set(NAMED_MODELS.map(({ name }) => name))
  const folders = await readdir(modelsDir(options.cacheDir), { withFileTypes: true }).catch(
    () => [],
  )
  const others = folders
    .filter((folder) => folder.isDirectory() && !names.has(folder.name))
    .map(async ({ name }) => {
      const directory = join(modelsDir(options.cacheDir), name)
      const files = await readdir(directory).catch(() => [])
      const file = files.filter((one) => /\.gguf$/i.test(one)).sort()[0]
      const known = NAMED_MODELS.find((one) => name.startsWith(`${one.name}+`))
      const as = known ? name.replace('+', ':') : name
      return file === undefined ? [] : [await describe(as, join(directory, file), known)]
    })
  return [...(await Promise.all(named)), ...(await Promise.all(others)).flat()]
}

async function describe(
  name: string,
  path: string | undefined,
  known: NamedModel | undefined,
): Promise<ListedModel> {
  const size = path && (await stat(path).catch(() => undefined))?.size
  const record = path === undefined ? undefined : await readSidecar(path)
  return {
    name,
    known,
    runnable: known && isRunnable(known),
    path,
    size: size || undefined,
    repository: record?.repository ?? known?.repository,
    revision: record?.revision,
  }
}

/**
 * What a command takes as the name of a model of the hub: also a plain `OWNER/REPOSITORY`, since it can be
 * no path there.
 *
 * @throws InvalidInputError for a path
 */
export function hubReferenceOf(name: string): HubReference {
  const reference = parseReference(name, 'NAME')
  if (reference.kind === 'hub') return reference
  if (/^[\w][\w.-]*\/[\w][\w.-]*(@[\w.-]+)?(:\w+)?$/.test(name)) {
    return parseReference(`hf:${name}`, 'NAME') as HubReference
  }
  throw new InvalidInputError(
    'NAME must be a model of `bge-m3 model list` or hf:OWNER/REPOSITORY; a path is not fetched.',
  )
}

/**
 * Deletes what was fetched of a model. What lies in Hugging Face's own cache stays.
 *
 * @returns bytes that were freed
 * @throws ModelNotFoundError when there is nothing of it
 */
export async function removeModel(
  name: string,
  options: Pick<FindModelOptions, 'cacheDir'> = {},
): Promise<{ directory: string; bytes: number }> {
  const reference = hubReferenceOf(name)
  const directory = hubModelDir(reference, options.cacheDir)
  const files = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => [])
  if (files.length === 0) {
    throw new ModelNotFoundError(`There is nothing of ${reference.text} in ${directory}.`)
  }
  const sizes = files
    .filter((file) => file.isFile())
    .map(async (file) => (await stat(join(file.parentPath ?? file.path, file.name))).size)
  const bytes = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
  await rm(directory, { recursive: true })
  return { directory, bytes }
}
