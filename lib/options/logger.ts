/** The logger of a program that gives none. */

import type { Logger } from '../common/types.js'
import { type Environment, OPTIONS, type OptionValues, parseOption } from './table.js'

const LEVELS = ['error', 'warn', 'info', 'debug'] as const

/** One a level: who logs twice to the same logger is heard once. */
const loggers = new Map<string, Logger>()

/**
 * The caller's logger, else what `BGE_M3_LOG_LEVEL` asks for: lines of the level and above on stderr. At `warn`, the
 * default, it is `undefined`, and warnings are Node's own (`process.emitWarning`).
 *
 * @throws InvalidInputError for a level that there is not
 */
export function programLogger(
  given: Logger | undefined,
  env: Environment = process.env,
): Logger | undefined {
  const text = env.BGE_M3_LOG_LEVEL
  if (given !== undefined || !text) return given
  const level = parseOption('logLevel', text, 'BGE_M3_LOG_LEVEL')
  if (level === OPTIONS.logLevel.default) return undefined
  const known = loggers.get(level)
  if (known) return known
  const logger = loggerAt(level, (name, line) => {
    process.stderr.write(`bge-m3-node: ${name}: ${line}\n`)
  })
  loggers.set(level, logger)
  return logger
}

/** A logger of the level and above. @param write gets a line without its end */
export function loggerAt(
  level: NonNullable<OptionValues['logLevel']>,
  write: (name: keyof Logger, line: string) => void,
): Logger {
  const logger: Logger = {}
  const most = level === 'silent' ? 0 : LEVELS.indexOf(level) + 1
  for (const name of LEVELS.slice(0, most)) logger[name] = (line) => write(name, line.trimEnd())
  return logger
}
