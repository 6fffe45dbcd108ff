/** Messages of the library in the words of who typed a command: flags, and variables that are set. */

import type { Environment, OptionName } from '../../../options/table.js'
import { environmentName, OPTION_NAMES } from '../../../options/table.js'

const kebab = (name: string) => name.replace(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`)

/** ``The option `maxTokens` `` is `--max-tokens`, or `BGE_M3_MAX_TOKENS` where that set it. */
export function inCommandWords(
  message: string,
  argv: readonly string[] = [],
  env: Environment = {},
): string {
  const label = (name: string): string => {
    const flag = `--${kebab(name)}`
    const variable = environmentName(name)
    const isTyped = argv.some((argument) => argument === flag || argument.startsWith(`${flag}=`))
    const isVariable = OPTION_NAMES.includes(name as OptionName) && Boolean(env[variable])
    return isVariable && !isTyped ? variable : flag
  }
  return message
    .replace(/[Tt]he option `(\w+)`/g, (_, name) => label(name))
    .replace(/the `(\w+)` option/g, (_, name) => label(name))
    .replace("pass truncate: 'end'", 'give --truncate')
    .replace("Pass truncate: 'document' or 'longest'", 'Give --truncate')
}
