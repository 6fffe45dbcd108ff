/** What an output was made with, in a small file beside it: `vectors.jsonl` has `vectors.jsonl.meta.json`. */

import { readFile, stat } from 'node:fs/promises'
import { writeFileAtomic } from '../../../common/atomic-file.js'
import { InvalidInputError } from '../../../common/errors.js'
import type { EmbedderInfo } from '../../../common/types.js'
import { type CliIo, say } from '../shared/io.js'

/** `embed`'s own part of the file; readers must expect more. */
export interface OutputHeader {
  readonly model: {
    readonly name: string
    readonly fingerprint: string
    readonly dimensions: number
    readonly standin: boolean
  }
  /** As the command line and the environment set them. */
  readonly options: Readonly<Record<string, unknown>>
  /** Of bge-m3-node. */
  readonly version: string
}

export const headerPath = (output: string) => `${output}.meta.json`

export function headerOf(
  { name, fingerprint, dimensions, standin }: EmbedderInfo,
  options: Readonly<Record<string, unknown>>,
  version: string,
): OutputHeader {
  return { model: { name, fingerprint, dimensions, standin }, options, version }
}

/** A pipe or a device has none. An output whose folder takes no second file is worth more than its header. */
export async function writeHeader(io: CliIo, output: string, header: OutputHeader): Promise<void> {
  if (!(await stat(output)).isFile()) return
  try {
    const json = `${JSON.stringify(header, null, 2)}\n`
    await writeFileAtomic(headerPath(output), json, { mode: 0o644 })
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException
    say(io, `note: cannot write ${headerPath(output)} (${code}).`)
  }
}

/** Undefined where there is none, or one that is not ours. */
export async function readHeader(output: string): Promise<OutputHeader | undefined> {
  try {
    const header = JSON.parse(await readFile(headerPath(output), 'utf8')) as OutputHeader
    const { name, fingerprint } = header.model
    return typeof name === 'string' && typeof fingerprint === 'string' ? header : undefined
  } catch {
    return undefined
  }
}

/** @throws InvalidInputError where another model made what is to be gone on with */
export async function checkHeader(output: string, model: EmbedderInfo): Promise<void> {
  const header = await readHeader(output)
  if (header === undefined || header.model.fingerprint === model.fingerprint) return
  throw new InvalidInputError(
    `${output} cannot be resumed: it was made with ${header.model.name} (${header.model.fingerprint}), ` +
      `and this is ${model.name} (${model.fingerprint}).`,
  )
}
