/** Vectors from a file, whichever of the two forms it has. */

import { stat } from 'node:fs/promises'
import path from 'node:path'
import type { URL } from 'node:url'
import type { AbortSignalLike } from '../../../common/abort.js'
import { InvalidInputError } from '../../../common/errors.js'
import { checkSignal } from '../../../common/given.js'
import { pathOf } from '../../../common/path.js'
import { readJsonl } from './jsonl.js'
import { readNpy } from './npy.js'
import type { VectorTable } from './table.js'

/**
 * @param given `.npy`, or anything else for JSON Lines
 * @throws InvalidInputError when it is not there or holds no vectors
 */
export async function readVectors(
  given: string | URL,
  signal?: AbortSignalLike,
): Promise<VectorTable> {
  const file = pathOf(given, 'The file of vectors')
  checkSignal(signal)
  const name = path.basename(file)
  await checkFile(file)
  return /\.npy$/i.test(file) ? readNpy(file, name, signal) : readJsonl(file, name, signal)
}

/** @throws InvalidInputError when there is no file to read */
export async function checkFile(given: string): Promise<void> {
  const file = pathOf(given, 'The file')
  const found = await stat(file).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'ENOENT' ? 'There is no file' : `Cannot open (${error.code})`
    throw new InvalidInputError(`${why} ${file}.`, { cause: error })
  })
  if (found.isDirectory()) throw new InvalidInputError(`${file} is a directory.`)
}
