/**
 * Hugging Face's own cache: what its tools have fetched is used where it lies. Layout after
 * huggingface_hub's guide "Understand caching": `models--OWNER--NAME/{refs,snapshots,blobs}`.
 */

import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, dirname, join, relative, sep } from 'node:path'
import { isSha256 } from './sidecar.js'

type Env = Readonly<Record<string, string | undefined>>

/** Folders inside of a snapshot that are looked into. */
const MAX_DEPTH = 2

/** `HF_HUB_CACHE`, else `hub` in `HF_HOME`, else in the user's cache directory. */
export function hfCacheDir(env: Env = process.env): string {
  const named = env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE
  if (named) return named
  const home = env.HF_HOME || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface')
  return join(home, 'hub')
}

/** A revision of a repository, as far as it is in the cache. */
export interface Snapshot {
  readonly directory: string
  readonly commit: string
  /** Paths in the repository, with `/`. */
  readonly files: readonly string[]
}

export async function findSnapshot(
  repository: string,
  revision: string,
  env?: Env,
): Promise<Snapshot | undefined> {
  const root = repositoryDir(repository, env)
  const ref = await readFile(join(root, 'refs', revision), 'utf8').catch(() => revision)
  const commit = ref.trim()
  if (!/^[0-9a-f]{40}$/.test(commit)) return undefined
  const directory = join(root, 'snapshots', commit)
  const files = await filesIn(directory, MAX_DEPTH)
  return files.length === 0 ? undefined : { directory, commit, files }
}

/** A large file by its content: its blob is called by its checksum. */
export async function findBlob(
  repository: string,
  file: { size: number; sha256: string },
  env?: Env,
): Promise<string | undefined> {
  const path = join(repositoryDir(repository, env), 'blobs', file.sha256)
  const found = await stat(path).catch(() => undefined)
  return found?.size === file.size ? path : undefined
}

/** What is known of a file that lies in such a cache. */
export async function aboutCached(
  path: string,
): Promise<{ repository: string; sha256: string | undefined } | undefined> {
  const repository = /[\\/]models--([^\\/]+)--([^\\/]+)[\\/](?:snapshots|blobs)[\\/]/.exec(path)
  if (!repository) return undefined
  const blob = await realpath(path).catch(() => '')
  const sum = basename(blob)
  const isBlob = basename(dirname(blob)) === 'blobs' && isSha256(sum)
  return {
    repository: `${repository[1]}/${repository[2]}`,
    sha256: isBlob ? sum : undefined,
  }
}

function repositoryDir(repository: string, env?: Env): string {
  return join(hfCacheDir(env), `models--${repository.replace('/', '--')}`)
}

/** Regular files and links to some, with their paths; a link whose blob is gone is no file. */
async function filesIn(directory: string, depth: number, root = directory): Promise<string[]> {
  const names = await readdir(directory).catch(() => [])
  const found = await Promise.all(
    names.map(async (name) => {
      const path = join(directory, name)
      const about = await stat(path).catch(() => undefined)
      if (about?.isDirectory() && depth > 0) return filesIn(path, depth - 1, root)
      return about?.isFile() ? [relative(root, path).split(sep).join('/')] : []
    }),
  )
  return found.flat()
}
