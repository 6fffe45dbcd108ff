/** The options of `bge-m3 serve`: flags, then the environment, then a file. */

import { readFile } from 'node:fs/promises'
import { decodeUtf8 } from '../../../common/utf8.js'
import {
  checkOptions,
  type Environment,
  OPTION_NAMES,
  type OptionName,
  type OptionValues,
} from '../../../options/table.js'
import type { LoadOptions } from '../../../options/types.js'
import {
  checkServerOptions,
  mergeServerOptions,
  parseServerOption,
  readServerEnvironment,
  SERVER_OPTION_NAMES,
  type ServerConfig,
  type ServerOptionName,
  type ServerOptionValues,
} from '../../server/core/options.js'
import { UsageError } from '../shared/errors.js'
import { type Flags, loadOptions, optionValues } from '../shared/options.js'

export interface ServeConfig {
  server: ServerConfig
  load: LoadOptions
}

/** @throws UsageError, InvalidInputError that name the flag, the variable, or the member of the file */
export async function serveConfig(flags: Flags, env: Environment): Promise<ServeConfig> {
  const { config } = flags as { config?: string }
  const file = config === undefined ? {} : await readConfigFile(config)
  const label = (name: string) => `${name} in ${config}`
  const fromFile = checkServerOptions(file, label)
  const server = mergeServerOptions(serverFlags(flags), readServerEnvironment(env), fromFile)
  const load: OptionValues = { ...checkLoadOptions(file, label), ...optionValues(flags, env) }
  return { server, load: loadOptions({ ...load, logLevel: undefined }) }
}

function serverFlags(flags: Flags): ServerOptionValues {
  const values: Record<string, unknown> = {}
  for (const name of SERVER_OPTION_NAMES) {
    const flag = flags[name]
    if (typeof flag === 'string') values[name] = parseServerOption(name, flag, `--${name}`)
    // commander gives `--no-x` the default true
    else if (flag === false) values[name] = false
  }
  return values as ServerOptionValues
}

async function readConfigFile(path: string): Promise<Record<string, unknown>> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`The configuration file ${path} cannot be read (${error.code}).`)
  })
  const text = decodeUtf8(bytes, `The configuration file ${path}`)
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch {
    throw new UsageError(`The configuration file ${path} is not valid JSON.`)
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new UsageError(`The configuration file ${path} must hold a JSON object.`)
  }
  for (const name of Object.keys(content)) {
    const isKnown =
      SERVER_OPTION_NAMES.includes(name as ServerOptionName) ||
      OPTION_NAMES.includes(name as OptionName)
    if (!isKnown) throw new UsageError(`The configuration file ${path} names no option: ${name}.`)
  }
  return content as Record<string, unknown>
}

function checkLoadOptions(
  file: Readonly<Record<string, unknown>>,
  label: (name: string) => string,
): OptionValues {
  try {
    return checkOptions({ ...file, logLevel: undefined })
  } catch (error) {
    throw new UsageError(
      (error as Error).message.replace(/The option `(\w+)`/, (_, name) => label(name)),
    )
  }
}
