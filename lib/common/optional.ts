/** Packages that only a subpath needs: imported when it is used, and named when they are missing. */

import { InvalidInputError } from './errors.js'

/**
 * What `load` imports.
 *
 * @param name the package
 * @param user who needs it, such as `bge-m3-node/server`
 * @param load `() => import('name')`, spelled out so that bundlers see it
 * @throws InvalidInputError that names the package to install
 */
export async function optional<T>(name: string, user: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (error) {
    if (!isMissing(error, name)) throw error
    throw new InvalidInputError(`${user} needs the package ${name}: npm install ${name}`, {
      cause: error,
    })
  }
}

/** Whether it is this package that was not found, and not one that it imports itself. */
function isMissing(error: unknown, name: string): boolean {
  const { code, message } = error as NodeJS.ErrnoException
  const isNotFound = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND'
  return isNotFound && new RegExp(`['"]${name}['"]`).test(message)
}
