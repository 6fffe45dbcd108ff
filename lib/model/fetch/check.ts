/** Has a model changed on the hub since it was fetched? */

import { askRepository } from '../hub/repository.js'
import { contextOf, type FetchOptions } from './context.js'
import { hubReferenceOf, type ListedModel } from './installed.js'

export interface CheckedModel {
  name: string
  repository: string
  /** The commit it was fetched at. */
  revision: string
  /** The newest one. */
  newest: string
  /** When that was made, as the hub says. */
  lastModified: string
  upToDate: boolean
}

/**
 * Asks the hub for the newest commit of the repository that a model's file came from.
 *
 * @returns undefined where no commit was recorded
 * @throws DownloadError; the signal's reason
 */
export async function checkRevision(
  { name, repository, revision }: ListedModel,
  options: FetchOptions,
): Promise<CheckedModel | undefined> {
  if (repository === undefined || !/^[0-9a-f]{40}$/.test(revision ?? '')) return undefined
  const context = contextOf(hubReferenceOf(`hf:${repository}`), options)
  const { commit, lastModified } = await askRepository(repository, 'main', context)
  const upToDate = commit === revision
  return { name, repository, revision: revision as string, newest: commit, lastModified, upToDate }
}
