/** The arguments and flags of commands that read texts. */

import { type Command, Option } from 'commander'
import type { InputFormat } from '../../../integrations/files/items.js'
import type { Input } from '../../../integrations/files/source.js'
import { UsageError } from './errors.js'
import type { CliIo } from './io.js'
import type { Flags } from './options.js'

export const INPUT_HELP = `
Input: texts as arguments, --input FILE, or standard input. A .txt file holds a text a line (a blank
line is the empty text). A .jsonl file, or anything else whose first character is {, holds an object a
line with "text" and, if you like, "id" or "_id"; a "title" is put in front of the text. A text without
an id gets its index, from 0.`

export function addTextOptions(command: Command): Command {
  return command
    .argument('[text...]', 'Texts. Put -- before texts that begin with a dash.')
    .option('-i, --input <FILE>', 'Read texts from FILE; - is standard input.')
    .addOption(
      new Option('--input-format <FORMAT>', 'Read the input as this, whatever it is called.')
        .choices(['auto', 'txt', 'jsonl'])
        .default('auto'),
    )
    .addHelpText('after', INPUT_HELP)
}

/** @throws UsageError when there is nothing to read, InvalidInputError when it cannot be read */
export async function openTexts(io: CliIo, texts: readonly string[], flags: Flags): Promise<Input> {
  const { openInput } = await import('../../../integrations/files/source.js')
  const { input: file, inputFormat } = flags as { input?: string; inputFormat: InputFormat }
  if (texts.length > 0 && file !== undefined) {
    throw new UsageError('Give texts as arguments or name an --input, not both.')
  }
  if (texts.length === 0 && file === undefined && io.stdin.isTTY) {
    throw new UsageError(
      'There is nothing to read: give texts as arguments, name an --input, or pipe texts in.',
    )
  }
  const { stdin, signal } = io
  return openInput({ texts, file, format: inputFormat, stdin, signal })
}
