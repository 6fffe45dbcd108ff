/** Where models are kept, and where one is looked for. */

import { constants } from 'node:fs'
import { access, readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { URL } from 'node:url'
import { cacheDir } from '../common/cache-dir.js'
import { ModelNotFoundError } from '../common/errors.js'
import { namesOf, refuseUnknown } from '../common/given.js'
import { pathOf } from '../common/path.js'
import { MODEL_PIN } from './pins.js'

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

/**
 * The absolute path of the model to load: `option` if given, else `BGE_M3_MODEL`, else the pulled
 * model. A path that is named but not there is an error, never a reason to look further, and a
 * stand-in is never picked by itself. A directory stands for the one model in it.
 *
 * @throws ModelNotFoundError that says what was looked at and what to do
 * @throws InvalidInputError when the path is no path
 */
export async function findModel(
  option?: string | URL,
  options: FindModelOptions = {},
): Promise<string> {
  refuseUnknown(options, NAMES, 'findModel')
  if (option !== undefined) return modelAt(option, 'the `model` option')
  const named = (options.env ?? process.env).BGE_M3_MODEL
  if (named) return modelAt(named, 'BGE_M3_MODEL')

  const pulled = defaultModelPath(options.cacheDir)
  if ((await look(pulled)) === 'file') return pulled
  throw new ModelNotFoundError(
    `No model was found: no \`model\` was given, BGE_M3_MODEL is not set, and ${pulled} does not exist. ` +
      'Run `bge-m3 model pull` to download bge-m3 (635 MB), or name a GGUF file with `--model FILE`, ' +
      'the `model` option or BGE_M3_MODEL.',
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
export async function modelAt(named: string | URL, source: string): Promise<string> {
  const path = resolve(pathOf(named, source))
  switch (await look(path)) {
    case 'file':
      return path
    case 'directory':
      return onlyModelIn(path, source)
    case 'missing':
      throw new ModelNotFoundError(
        `No model at ${path}, which ${source} names. Check the path, or run \`bge-m3 model pull\` ` +
          'to download bge-m3 and leave the model unnamed.',
      )
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
