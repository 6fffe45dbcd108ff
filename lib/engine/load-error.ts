/** What the engine says of a file it cannot load, with the file's name and what to do about it. */
import { type EmbedderError, MemoryLimitError, ModelLoadError } from '../common/errors.js'
import { fromNative } from '../native/errors.js'

const BAD_FILE =
  '`bge-m3 model verify FILE` checks a file; `bge-m3 model pull` downloads bge-m3; ' +
  '`bge-m3 model convert` makes a GGUF of a checkpoint.'
const NO_MEMORY =
  'Free memory, raise the limit that the process runs under (the container, `ulimit -v`), or use a ' +
  'smaller model.'

export function loadError(path: string, cause: unknown): EmbedderError {
  const error = fromNative(cause)
  const named = error.message.includes(path) ? error.message : `${path}: ${error.message}`
  const what = named.endsWith('.') ? named : `${named}.`
  if (error instanceof ModelLoadError) return new ModelLoadError(`${what} ${BAD_FILE}`, { cause })
  if (error instanceof MemoryLimitError) {
    return new MemoryLimitError(`${what} ${NO_MEMORY}`, { cause })
  }
  return error
}
