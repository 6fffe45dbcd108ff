/** The prompts of a checkpoint, as sentence-transformers keeps them, into keys of the GGUF. */

import { ModelLoadError } from '../../common/errors.js'
import { PROMPT_KEYS } from '../formats/gguf/own-keys.js'
import { entry, type GgufEntry, StringArray } from '../formats/gguf/values.js'
import type { Prompts } from '../prompts.js'
import { asObject, readJson } from './json.js'

const FILE = 'config_sentence_transformers.json'

/**
 * Of `config_sentence_transformers.json`; undefined where it names none. Empty ones, which newer versions
 * write for every model, are none.
 *
 * @throws ModelLoadError for what is no text, and for a default that is not there
 */
export async function readPrompts(directory: string): Promise<Prompts | undefined> {
  const json = await readJson(directory, FILE, true)
  if (json === undefined) return undefined
  const { prompts, default_prompt_name: usual } = asObject(json, FILE)
  const given = Object.entries(asObject(prompts ?? {}, `${FILE}: prompts`))
  for (const [name, text] of given) {
    const isOne = typeof text === 'string' && text.length <= MAX_UNITS && name.length <= 64
    if (!isOne) throw new ModelLoadError(`${FILE}: prompts must be short texts by short names.`)
  }
  const hasDefault = usual !== undefined && usual !== null
  if (hasDefault && !given.some(([name]) => name === usual)) {
    throw new ModelLoadError(`${FILE}: default_prompt_name is none of its prompts.`)
  }
  const texts = Object.fromEntries(given) as Record<string, string>
  if (Object.values(texts).every((text) => text === '')) return undefined
  return { texts, default: hasDefault ? (usual as string) : undefined }
}

const MAX_UNITS = 10_000

export function promptEntries(prompts: Prompts | undefined): GgufEntry[] {
  if (prompts === undefined) return []
  const { texts, default: usual } = prompts
  return [
    entry.strings(PROMPT_KEYS.names, StringArray.from(Object.keys(texts))),
    entry.strings(PROMPT_KEYS.texts, StringArray.from(Object.values(texts))),
    ...(usual === undefined ? [] : [entry.string(PROMPT_KEYS.default, usual)]),
  ]
}
