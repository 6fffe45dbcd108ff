/** What a model's file says of how it is used, beside its weights. */

import { createHash } from 'node:crypto'
import { MAX_TOKENS_KEY, MODULES_KEY, POOLING_KEY, PROMPT_KEYS } from './formats/gguf/own-keys.js'
import { GgufFile } from './formats/gguf/reader.js'
import { aboutCached } from './hf-cache.js'
import { modelOfRepository } from './names.js'
import { NO_PROMPTS, type Prompts } from './prompts.js'
import { readSidecar } from './sidecar.js'

export type { Prompts }

export interface FileSettings {
  prompts: Prompts
  /** The most tokens that texts were meant to have; undefined where nothing says it. */
  maxTokens: number | undefined
  /** SHA-256 over poolings and modules that only we know; undefined where there are none. */
  modules: string | undefined
}

/**
 * What the file says, else what the table of names has for the repository that it was fetched from.
 */
export async function settingsOf(path: string): Promise<FileSettings> {
  const file = await GgufFile.open(path)
  try {
    const repository =
      (await readSidecar(path))?.repository || (await aboutCached(path))?.repository
    const known = repository ? modelOfRepository(repository) : undefined
    return {
      prompts: (await readPrompts(file)) ?? known?.prompts ?? NO_PROMPTS,
      maxTokens: limitOf(file) ?? known?.maxTokens,
      modules: await hashModules(file),
    }
  } finally {
    await file.close()
  }
}

async function readPrompts(file: GgufFile): Promise<Prompts | undefined> {
  const names = await file.strings(PROMPT_KEYS.names)
  const texts = await file.strings(PROMPT_KEYS.texts)
  if (names === undefined || texts === undefined || names.length !== texts.length) return undefined
  const entries = Array.from({ length: names.length }, (_, i) => [names.at(i), texts.at(i)])
  return { texts: Object.fromEntries(entries), default: file.string(PROMPT_KEYS.default) }
}

/** As the option `maxTokens`: the two specials and one token at least. */
function limitOf(file: GgufFile): number | undefined {
  const limit = file.number(MAX_TOKENS_KEY)
  return limit !== undefined && limit >= 3 ? limit : undefined
}

async function hashModules(file: GgufFile): Promise<string | undefined> {
  const isOurs = (key: string) => key === POOLING_KEY || key.startsWith(MODULES_KEY)
  const keys = [...file.keys.keys()].filter(isOurs)
  if (keys.length === 0) return undefined
  const hash = createHash('sha256')
  for (const key of keys) hash.update(key).update((await file.entry(key))?.payload ?? '')
  return hash.digest('hex')
}
