/** What a command says while it fetches a model that is not here yet. */

import type { FetchOptions } from '../../../model/fetch/context.js'
import type { OptionValues } from '../../../options/table.js'
import { type CliIo, say } from './io.js'
import { loggerOf } from './logger.js'
import { PullProgress } from './pull-progress.js'

/** @returns options for `ensureModel`, and what ends the progress bar */
export function fetchingOf(
  io: CliIo,
  { cacheDir, download, logLevel }: OptionValues,
): { options: FetchOptions; stop(): void } {
  const progress = new PullProgress(io)
  return {
    options: {
      cacheDir,
      download,
      env: io.env,
      signal: io.signal,
      logger: loggerOf(io, logLevel),
      onProgress: progress.update.bind(progress),
      onNotice: (line) => say(io, line),
    },
    stop: () => progress.stop(),
  }
}
