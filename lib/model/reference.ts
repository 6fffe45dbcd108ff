/**
 * What a `model` option, a `--model` or `BGE_M3_MODEL` names: a path, a model by its name, or a repository
 * of the hub. What might be the path of a file is one: nothing is fetched because of a typo.
 */

import type { URL } from 'node:url'
import { InvalidInputError } from '../common/errors.js'
import { shown } from '../common/given.js'
import { pathOf } from '../common/path.js'
import { type NamedModel, namedModel } from './names.js'

/** A model on the hub. */
export interface HubReference {
  readonly kind: 'hub'
  /** As people would write it. */
  readonly text: string
  /** What the table knows of it. */
  readonly known: NamedModel | undefined
  readonly repository: string
  readonly revision: string
  /** The file of the repository that was named. */
  readonly file: string | undefined
  /** The number format that was named, in lower case: `q8_0`, `f16`, `q4_k_m`. */
  readonly quant: string | undefined
}

/** A file, or the directory it lies in. */
export interface PathReference {
  readonly kind: 'path'
  readonly path: string
}

export type ModelReference = HubReference | PathReference

/** `hf:owner/repository[@revision][/path/file.gguf][:quant]` */
const HUB =
  /^hf:(?<repository>[\w][\w.-]*\/[\w][\w.-]*)(?:@(?<revision>[\w][\w.-]*))?(?:\/(?<file>[^:\\]+\.gguf))?(?::(?<quant>\w+))?$/i
const WITH_QUANT = /^(?<name>[^:]+):(?<quant>\w+)$/
const CERTAINLY_PATH = /^(?:\.{1,2}(?:[\\/]|$)|[\\/~]|[a-z]:[\\/])|\\|\.gguf$/i

/**
 * - `bge-m3`, `BAAI/bge-m3`: a model of the table, by name or hub id; `bge-m3:f16` in another number format
 * - `hf:owner/repository`, `hf:owner/repository:q4_k_m`, `hf:owner/repository@revision/file.gguf`: any other
 * - everything else is a path. A folder that is called as a model is named `./bge-m3`.
 *
 * @param source what names it, for a message
 * @throws InvalidInputError for what is none of these
 */
export function parseReference(named: string | URL, source: string): ModelReference {
  if (typeof named !== 'string') return { kind: 'path', path: pathOf(named, source) }
  if (/^hf:/i.test(named)) return hubReference(named, source)
  if (!CERTAINLY_PATH.test(named)) {
    const { name = named, quant } = WITH_QUANT.exec(named)?.groups ?? {}
    const known = namedModel(name)
    if (known) return fromTable(known, quant)
  }
  return { kind: 'path', path: pathOf(named, source) }
}

/** A model of the table. */
export function fromTable(known: NamedModel, quant?: string): HubReference {
  const { name, repository, revision } = known
  const type = quant?.toLowerCase()
  const text = type === undefined ? name : `${name}:${type}`
  return { kind: 'hub', text, known, repository, revision, file: undefined, quant: type }
}

function hubReference(named: string, source: string): HubReference {
  const { repository, revision, file, quant } = HUB.exec(named)?.groups ?? {}
  const isSafe = file === undefined || !file.split('/').some((part) => /^\.{0,2}$/.test(part))
  if (repository === undefined || !isSafe || (file !== undefined && quant !== undefined)) {
    throw new InvalidInputError(
      `${source} must be hf:OWNER/REPOSITORY, with @REVISION, /FILE.gguf or :QUANT behind it, not ${shown(named)}.`,
    )
  }
  const known = namedModel(repository)
  const isPlain = known !== undefined && revision === undefined && file === undefined
  if (isPlain) return fromTable(known, quant)
  return {
    kind: 'hub',
    text: named,
    known,
    repository,
    revision: revision ?? 'main',
    file,
    quant: quant?.toLowerCase(),
  }
}

/** The name of the folder that holds a model of the hub, and nothing else: one for each way to name it. */
export function folderOf({ text, known, repository, revision, file, quant }: HubReference): string {
  if (known !== undefined && text === fromTable(known, quant).text) {
    return text.replace(':', '+')
  }
  const at = revision === 'main' ? '' : `@${revision}`
  const what = file === undefined ? '' : `/${file}`
  const as = quant === undefined ? '' : `+${quant}`
  return `${repository}${at}${what}${as}`.replaceAll('/', '--')
}
