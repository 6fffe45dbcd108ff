/** The arguments and flags of commands that read texts. */

import { type Command, Option } from 'commander'
import { INPUT_FORMATS, type InputFormat } from '../../../integrations/files/records.js'
import type { Input } from '../../../integrations/files/source.js'
import { UsageError } from './errors.js'
import type { CliIo } from './io.js'
import type { Flags } from './options.js'

export const INPUT_HELP = `
Input: texts as arguments, --input FILE, or standard input, in UTF-8. A .txt file holds a text a line
(a blank line is the empty text). A .jsonl file, or anything else whose first character is {, holds an
object a line with "text" and, if you like, "id" or "_id"; a "title" is put in front of the text. A JSON
array holds such objects, or strings. --text-field names the text where it is not "text", and the column
of a .csv or .tsv file. A text without an id gets its index, from 0.`

/** The flags that say what the input is. */
export function addInputOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--input-format <FORMAT>', 'Read the input as this, whatever it is called.')
        .choices(['auto', ...INPUT_FORMATS])
        .default('auto'),
    )
    .option('--text-field <NAME>', 'Member or column that is the text. Default: text, after title.')
}

export function addTextOptions(command: Command): Command {
  command
    .argument('[text...]', 'Texts. Put -- before texts that begin with a dash.')
    .option('-i, --input <FILE>', 'Read texts from FILE; - is standard input.')
  return addInputOptions(command).addHelpText('after', INPUT_HELP)
}

/** @throws UsageError when there is nothing to read, InvalidInputError when it cannot be read */
export async function openTexts(
  io: CliIo,
  texts: readonly string[],
  flags: Flags,
  { keepFields = false } = {},
): Promise<Input> {
  const { openInput } = await import('../../../integrations/files/source.js')
  const { input: file, inputFormat, textField } = flags as unknown as InputFlags
  if (texts.length > 0 && file !== undefined) {
    throw new UsageError('Give texts as arguments or name an --input, not both.')
  }
  if (texts.length === 0 && file === undefined && io.stdin.isTTY) {
    throw new UsageError(
      'There is nothing to read: give texts as arguments, name an --input, or pipe texts in.',
    )
  }
  const { stdin, signal } = io
  return openInput({ texts, file, format: inputFormat, textField, keepFields, stdin, signal })
}

interface InputFlags {
  input?: string
  inputFormat: InputFormat
  textField?: string
}
