import type { Logger } from '../../../common/types.js'
import { loggerAt } from '../../../options/logger.js'
import type { OptionValues } from '../../../options/table.js'
import { type CliIo, say } from './io.js'

/**
 * A logger that writes lines of the level and above to stderr; none once the run is interrupted, for
 * what the engine then says is that it was.
 */
export function loggerOf(io: CliIo, level: OptionValues['logLevel'] = 'warn'): Logger {
  return loggerAt(level, (name, line) => {
    if (!io.signal.aborted) say(io, `${name === 'warn' ? 'warning' : name}: ${line}`)
  })
}
