import { PROMPT_KEYS } from './formats/gguf/own-keys.js'
import { GgufFile } from './formats/gguf/reader.js'
import { aboutCached } from './hf-cache.js'
import { modelOfRepository } from './names.js'
import { NO_PROMPTS, type Prompts } from './prompts.js'
import { readSidecar } from './sidecar.js'

export type { Prompts }

/**
 * The prompts of a model's file: those it carries, else those that the table of names has for the
 * repository that it was fetched from.
 */
export async function promptsOf(path: string): Promise<Prompts> {
  const own = await readPrompts(path)
  if (own !== undefined) return own
  const repository = (await readSidecar(path))?.repository || (await aboutCached(path))?.repository
  return (repository && modelOfRepository(repository)?.prompts) || NO_PROMPTS
}

async function readPrompts(path: string): Promise<Prompts | undefined> {
  const file = await GgufFile.open(path)
  try {
    const names = await file.strings(PROMPT_KEYS.names)
    const texts = await file.strings(PROMPT_KEYS.texts)
    if (names === undefined || texts === undefined || names.length !== texts.length)
      return undefined
    const entries = Array.from({ length: names.length }, (_, i) => [names.at(i), texts.at(i)])
    return { texts: Object.fromEntries(entries), default: file.string(PROMPT_KEYS.default) }
  } finally {
    await file.close()
  }
}
