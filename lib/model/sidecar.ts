/**
 * What is recorded beside a file, as `<file>.json`: what its bytes hash to and, where it was fetched, where
 * it came from.
 */

import { access, readFile, rm } from 'node:fs/promises'
import { writeFileAtomic } from '../common/atomic-file.js'

/** Tells our sidecars from other JSON files that happen to lie beside a model. */
const FORMAT = 'bge-m3-node/pulled-file'

export interface Sidecar {
  /** Where the file was downloaded from, without credentials or signatures; empty if it was not. */
  readonly url: string
  readonly repository: string
  readonly revision: string
  readonly size: number
  /** Lower-case hex. */
  readonly sha256: string
  /** ISO 8601. */
  readonly date: string
}

export function sidecarPath(file: string): string {
  return `${file}.json`
}

/** The record beside `file`; `undefined` when there is none of ours. */
export async function readSidecar(file: string): Promise<Sidecar | undefined> {
  let content: unknown
  try {
    content = JSON.parse(await readFile(sidecarPath(file), 'utf8'))
  } catch {
    return undefined
  }
  if (typeof content !== 'object' || content === null) return undefined
  const { format, url, repository, revision, size, sha256, date } = content as Record<
    string,
    unknown
  >
  if (format !== FORMAT || !isSha256(sha256) || !isSize(size)) return undefined
  const text = (value: unknown) => (typeof value === 'string' ? value : '')
  return {
    url: text(url),
    repository: text(repository),
    revision: text(revision),
    size,
    sha256,
    date: text(date),
  }
}

/** Whether a file that is no record of ours lies where one would. */
export async function isTaken(file: string): Promise<boolean> {
  if ((await readSidecar(file)) !== undefined) return false
  return access(sidecarPath(file)).then(
    () => true,
    () => false,
  )
}

/** Takes the record away before the file is replaced: it must not be taken for one of the new file. */
export async function removeSidecar(file: string): Promise<void> {
  if ((await readSidecar(file)) !== undefined) await rm(sidecarPath(file), { force: true })
}

export async function writeSidecar(file: string, sidecar: Sidecar): Promise<void> {
  const text = `${JSON.stringify({ format: FORMAT, ...sidecar }, null, 2)}\n`
  await writeFileAtomic(sidecarPath(file), text, { mode: 0o644, durable: true })
}

export function isSha256(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
}

export function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
