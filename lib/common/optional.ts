/** Packages that only a subpath needs: imported when it is used, and named when they are missing. */

import { InvalidInputError } from './errors.js'

/**
 * What `load` imports.
 *
 * @param name the package
 * @param user who needs it, such as `bge-m3-node/server`
 * @param load `() => import('name')`, spelled out so that bundlers see it
 * @param together all packages that this user needs: whoever lacks one most likely lacks them all
 * @throws InvalidInputError that names the packages to install
 */
export async function optional<T>(
  name: string,
  user: string,
  load: () => Promise<T>,
  together: readonly string[] = [name],
): Promise<T> {
  try {
    return await load()
  } catch (error) {
    if (!isMissing(error, name)) throw error
    const packages = together.length > 1 ? `packages ${together.join(', ')}` : `package ${name}`
    throw new InvalidInputError(
      `${user} needs the ${packages}: npm install ${together.join(' ')}`,
      {
        cause: error,
      },
    )
  }
}

/** Whether it is this package that was not found, and not one that it imports itself. */
function isMissing(error: unknown, name: string): boolean {
  const { code, message } = error as NodeJS.ErrnoException
  const isNotFound = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND'
  return isNotFound && new RegExp(`['"]${name}['"]`).test(message)
}
