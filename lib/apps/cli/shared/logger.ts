import type { Logger } from '../../../common/types.js'
import type { OptionValues } from '../../../options/table.js'
import { type CliIo, say } from './io.js'

const LEVELS = ['error', 'warn', 'info', 'debug'] as const

/**
 * A logger that writes lines of the level and above to stderr; none once the run is interrupted, for
 * what the engine then says is that it was.
 */
export function loggerOf(io: CliIo, level: OptionValues['logLevel'] = 'warn'): Logger {
  const logger: Logger = {}
  if (level === 'silent') return logger
  for (const name of LEVELS.slice(0, LEVELS.indexOf(level) + 1)) {
    const label = name === 'warn' ? 'warning' : name
    logger[name] = (message) => {
      if (!io.signal.aborted) say(io, `${label}: ${message.trimEnd()}`)
    }
  }
  return logger
}
