/** The options of the table (`lib/options/table.ts`) as options of a command. */

import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Outputs } from '../../../common/types.js'
import {
  type Environment,
  environmentName,
  OPTION_NAMES,
  OPTIONS,
  type OptionName,
  type OptionValues,
  parseOption,
  readEnvironment,
} from '../../../options/table.js'
import type { LoadOptions } from '../../../options/types.js'

/** Options that say no more than yes, under names that people expect. */
const SWITCHES: Partial<Record<OptionName, { flag: string; value: string; doc: string }>> = {
  truncate: {
    flag: '--truncate',
    value: 'end',
    doc: 'Cut the end off a text that is over the limit, instead of failing it.',
  },
  normalize: {
    flag: '--no-normalize',
    value: 'off',
    doc: 'Leave dense vectors at the length the model gives them.',
  },
}

const kebab = (name: string) => name.replace(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`)

/** What every command that loads a model takes. */
export const LOADING = OPTION_NAMES.filter((name) => OPTIONS[name].flag === 'loads')
/** What every command that embeds the texts it is given takes. */
export const EMBEDDING = OPTION_NAMES.filter((name) => OPTIONS[name].flag !== undefined)

/** Adds options of the table to a command: `batchTokens` is `--batch-tokens`. */
export function addTableOptions(command: Command, names: readonly OptionName[]): Command {
  for (const name of names) {
    const variable = `[${environmentName(name)}]`
    const spec = SWITCHES[name]
    if (spec) {
      command.addOption(new Option(spec.flag, `${spec.doc} ${variable}`))
      continue
    }
    const flag = `--${kebab(name)}`
    const { doc, kind } = OPTIONS[name]
    const choices = kind.allowed.startsWith('one of') ? ` (${kind.allowed})` : ''
    command.addOption(
      new Option(`${flag} <${kind.placeholder}>`, `${doc}${choices} ${variable}`)
        // the value stays text, so that it is parsed in one place, with the environment's
        .argParser((text) => {
          parseOption(name, text, flag)
          return text
        }),
    )
  }
  return command
}

/** What commander hands to an action: texts and switches by name. */
export type Flags = Readonly<Record<string, unknown>>

/**
 * The table's options that are set: by a flag, else by the environment.
 *
 * @throws InvalidInputError that names the variable that is wrong
 */
export function optionValues(flags: Flags, env: Environment): OptionValues {
  const values: Record<string, unknown> = readEnvironment(env)
  for (const name of OPTION_NAMES) {
    const flag = flags[name]
    const spec = SWITCHES[name]
    if (typeof flag === 'string') values[name] = parseOption(name, flag, `--${kebab(name)}`)
    // commander gives `--no-x` the default true
    else if (spec && flag === !spec.flag.startsWith('--no-')) {
      values[name] = parseOption(name, spec.value, spec.flag)
    }
  }
  return values as OptionValues
}

/** The outputs that are named by flags, else by the environment, else dense. */
export function outputsOf(flags: Flags, values: OptionValues): Required<Outputs> {
  const { dense = false, sparse = false, colbert = false } = flags as Outputs
  if (dense || sparse || colbert) return { dense, sparse, colbert }
  return values.outputs ?? OPTIONS.outputs.default
}

/** Those of the values that are set and belong to `Embedder.load`. */
export function loadOptions(values: OptionValues): LoadOptions {
  const entries = Object.entries(values).filter(
    ([name, value]) =>
      value !== undefined && ['load', 'both'].includes(OPTIONS[name as OptionName].scope),
  )
  return Object.fromEntries(entries) as LoadOptions
}

/** For numbers that are no option of the table. */
export function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d{1,15}$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`It must be an integer from ${min} to ${max}.`)
    }
    return value
  }
}
