/** `--chunk` and `--overlap`: texts that are cut. */

import type { Command } from 'commander'
import type { ChunkTextOptions } from '../../../chunking/types.js'
import { UsageError } from './errors.js'
import type { Flags } from './options.js'
import { present } from './present.js'

export function addChunkOptions(command: Command): Command {
  return command
    .option('--chunk [TOKENS]', 'Embed chunks of at most TOKENS tokens (500) instead of texts.')
    .option('--overlap <TOKENS>', 'Tokens that a chunk repeats of the one before. Default: 50.')
}

/** How texts are cut, where they are. @throws UsageError */
export function cuttingOf(
  flags: Flags,
): Pick<Partial<ChunkTextOptions>, 'maxTokens' | 'overlap'> | undefined {
  const { chunk, overlap } = flags as { chunk?: string | true; overlap?: string }
  if (chunk === undefined && overlap === undefined) return undefined
  if (chunk === undefined) throw new UsageError('--overlap is for --chunk.')
  const number = (name: string, least: number, given: string | true | undefined) => {
    if (given === undefined || given === true) return undefined
    if (/^\d{1,9}$/.test(given) && Number(given) >= least) return Number(given)
    // what was given may be a text
    throw new UsageError(
      `--${name} takes a number of tokens from ${least}: write --${name}=N before a text.`,
    )
  }
  return present({ maxTokens: number('chunk', 3, chunk), overlap: number('overlap', 0, overlap) })
}
