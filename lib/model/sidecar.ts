/**
 * What `bge-m3 model pull` records beside a file, as `<file>.json`: where it came from and what its
 * bytes hash to.
 */

import { readFile } from 'node:fs/promises'
import { writeFileAtomic } from '../common/atomic-file.js'

/** Tells our sidecars from other JSON files that happen to lie beside a model. */
const FORMAT = 'bge-m3-node/pulled-file'

export interface Sidecar {
  /** Where the file was downloaded from; without credentials or signatures. */
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
