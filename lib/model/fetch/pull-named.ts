/** `bge-m3 model pull NAME`: fetches a model, or looks whether what is here is whole. */

import { rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { IntegrityError } from '../../common/errors.js'
import { checkIntegrity } from '../integrity.js'
import { findFetched, hubModelDir } from '../locations.js'
import type { HubReference } from '../reference.js'
import type { FetchOptions } from './context.js'
import { fetchModel } from './ensure.js'

/** @throws as `ensureModel` */
export async function pullNamed(
  reference: HubReference,
  options: FetchOptions,
): Promise<{ path: string; status: 'present' | 'fetched' }> {
  const present = await findFetched(reference, options)
  if (present !== undefined) {
    try {
      const { cacheDir, signal } = options
      await checkIntegrity(present, { verify: 'always', cacheDir, signal })
      return { path: present, status: 'present' }
    } catch (error) {
      const directory = hubModelDir(reference, options.cacheDir)
      if (!(error instanceof IntegrityError) || dirname(present) !== directory) throw error
      options.logger?.warn?.(`${present} is damaged; it will be replaced`)
      await rm(directory, { recursive: true, force: true })
    }
  }
  return { path: await fetchModel(reference, options), status: 'fetched' }
}
