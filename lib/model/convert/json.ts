/** JSON files of a checkpoint. */

import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ModelLoadError, ModelNotFoundError } from '../../common/errors.js'

const MAX_JSON_BYTES = 1 << 28

export type Json = Record<string, unknown>

/**
 * Parses a JSON file of the checkpoint; `undefined` if it is not there and `optional`.
 *
 * @throws ModelNotFoundError, ModelLoadError
 */
export async function readJson(
  directory: string,
  name: string,
  optional = false,
): Promise<unknown> {
  const path = join(directory, name)
  let text: string
  try {
    const { size } = await stat(path)
    if (size > MAX_JSON_BYTES) throw new ModelLoadError(`${path} is too large.`)
    text = await readFile(path, 'utf8')
  } catch (cause) {
    const missing = ['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '')
    if (missing && optional) return undefined
    if (missing) throw new ModelNotFoundError(`The checkpoint has no ${name}.`, { cause })
    if (cause instanceof ModelLoadError) throw cause
    throw new ModelLoadError(`${path} cannot be read.`, { cause })
  }
  try {
    return JSON.parse(text)
  } catch {
    // The parser's own message would quote the file.
    throw new ModelLoadError(`${path} is not valid JSON.`)
  }
}

export function asObject(value: unknown, name: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ModelLoadError(`${name} is not a JSON object.`)
  }
  return value as Json
}
