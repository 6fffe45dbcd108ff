import { EmbedderError } from '../../../common/errors.js'
import { inCommandWords } from './wording.js'

/** The error of a text, under the name that the text has for the user: not its place in a window. */
export function renamed(error: EmbedderError, name: string): EmbedderError {
  const message = inCommandWords(error.message.replace(/^The text( at index \d+)?/, `The ${name}`))
  return new EmbedderError(error.code, message, { cause: error })
}
