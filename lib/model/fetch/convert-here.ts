/** A checkpoint of the hub, as a GGUF on this machine. */

import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ModelNotFoundError } from '../../common/errors.js'
import { formatSize } from '../../common/units.js'
import { readConfig } from '../convert/config.js'
import { CONVERT_TYPES, type ConvertType, convertCheckpoint } from '../convert/convert.js'
import { readModules } from '../convert/modules.js'
import { findSnapshot } from '../hf-cache.js'
import { fileUrl, publicUrl } from '../hub/hub.js'
import { ProgressMeter } from '../hub/progress.js'
import type { Repository } from '../hub/repository.js'
import { fetchSmallFile } from '../hub/small-file.js'
import { checkKind } from '../purpose.js'
import type { HubReference } from '../reference.js'
import { writeSidecar } from '../sidecar.js'
import { checkpointFiles } from './checkpoint-files.js'
import type { FetchContext } from './context.js'
import { fixedPin, pullInto } from './pull-into.js'

/**
 * Fetches the official checkpoint, or takes it from Hugging Face's cache, converts it, and keeps the GGUF
 * alone.
 *
 * @param found what the hub says of the repository; undefined where it may not be asked
 * @throws ModelLoadError for what cannot be converted, before its weights are fetched
 */
export async function convertHere(
  reference: HubReference,
  found: Repository | undefined,
  context: FetchContext,
): Promise<string> {
  const type = typeOf(reference)
  const { repository } = reference
  const local = await localCheckpoint(reference, found, context)
  if (local !== undefined) {
    context.notice(`Converting ${repository} (${local.directory}) to ${type} in ${context.dir}.`)
    return convert(reference, local, type, context)
  }
  if (found === undefined) throw new Error('The hub was not asked.')
  const directory = join(context.dir, 'checkpoint')
  const { about, rest, size } = checkpointFiles(repository, found.files)
  context.notice(
    `Fetching ${repository} (${formatSize(size)}) from ${context.hub.endpoint.host}; it is converted to ` +
      `${type} in ${context.dir}.`,
  )
  const into = { ...context, dir: directory }
  const small = (file: (typeof about)[number]) =>
    fetchSmallFile({ repository, commit: found.commit, file }, into)
  for (const file of about) await small(file)
  const { label, hidden } = await readConfig(directory)
  const { purpose } = context.options
  if (purpose !== undefined) checkKind(reference.text, label !== undefined, purpose)
  if (label === undefined) await readModules(directory, hidden)
  const isLarge = (file: (typeof rest)[number]) => file.sha256 !== undefined
  for (const file of rest) if (!isLarge(file)) await small(file)
  const pins = rest.filter(isLarge).map((file) => fixedPin(reference, repository, found, file))
  await pullInto(directory, pins, context)
  const path = await convert(reference, { directory, commit: found.commit }, type, context)
  await rm(directory, { recursive: true, force: true })
  return path
}

/** The checkpoint in Hugging Face's cache, if it is whole and what the hub has now. */
export async function localCheckpoint(
  reference: HubReference,
  found: Repository | undefined,
  { options }: Pick<FetchContext, 'options'>,
): Promise<Checkpoint | undefined> {
  const { repository, revision, file } = reference
  if (file !== undefined) return undefined
  const snapshot = await findSnapshot(repository, found?.commit ?? revision, options.env)
  if (snapshot === undefined) return undefined
  const held = snapshot.files.map((path) => ({
    path,
    size: 0,
    sha256: undefined,
    gitSha1: undefined,
  }))
  try {
    const needed = checkpointFiles(repository, found?.files ?? held)
    const isWhole = [...needed.about, ...needed.rest].every(({ path }) =>
      snapshot.files.includes(path),
    )
    return isWhole ? snapshot : undefined
  } catch {
    return undefined // a part of a checkpoint, or something else
  }
}

interface Checkpoint {
  directory: string
  commit: string
}

async function convert(
  { repository, known }: HubReference,
  { directory, commit }: Checkpoint,
  type: ConvertType,
  { dir, hub, signal, report }: FetchContext,
): Promise<string> {
  const name = known?.name ?? (repository.split('/').at(-1) as string)
  const output = join(dir, `${name}-${type}.gguf`)
  await mkdir(dir, { recursive: true })
  let meter: ProgressMeter | undefined
  const { path, sizeBytes, sha256 } = await convertCheckpoint(directory, {
    output,
    type,
    name,
    ...(known?.prompts && { prompts: known.prompts }),
    ...(known && known.pooling !== 'rank' && { pooling: known.pooling }),
    ...(signal && { signal }),
    onProgress: ({ doneBytes, totalBytes }) => {
      const about = { file: `${name}-${type}.gguf`, index: 0, count: 1, total: totalBytes }
      meter ??= new ProgressMeter(about, report)
      meter.update('convert', doneBytes)
    },
  })
  const url = publicUrl(fileUrl(hub, { name: 'config.json', repository, revision: commit }))
  const date = new Date().toISOString()
  await writeSidecar(path, { url, repository, revision: commit, size: sizeBytes, sha256, date })
  meter?.update('done', sizeBytes)
  return path
}

function typeOf({ quant = 'q8_0', text }: HubReference): ConvertType {
  const type = CONVERT_TYPES.find((one) => one === quant)
  if (type !== undefined) return type
  throw new ModelNotFoundError(
    `There is no GGUF for ${text}, and a checkpoint is converted to ${CONVERT_TYPES.join(', ')} alone.`,
  )
}
