/** sentence-transformers' Transformer module: how a text becomes token states. */

import { ModelLoadError } from '../../common/errors.js'
import { asObject, readJson } from './json.js'

/** Its configuration's names, by which the first versions told architectures apart. */
const FILES = ['bert', 'roberta', 'xlm-roberta'].map((name) => `sentence_${name}_config.json`)

/** What it is in every model of texts alone: other values are another model. */
const USUAL: Readonly<Record<string, string>> = {
  transformer_task: JSON.stringify('feature-extraction'),
  module_output_name: JSON.stringify('token_embeddings'),
  modality_config: JSON.stringify({
    text: { method: 'forward', method_output_name: 'last_hidden_state' },
  }),
}
/** Changes speed and nothing else. */
const FREE = ['unpad_inputs']

export interface TransformerConfig {
  /** The most tokens of a text, specials included; undefined where nothing limits them. */
  maxTokens: number | undefined
  /** Whether texts are lower-cased, whatever the tokenizer says. */
  lowerCase: boolean
}

/**
 * Limits as sentence-transformers has them: `max_seq_length`, else the tokenizer's `model_max_length`.
 *
 * @throws ModelLoadError for a setting that is not understood, by its name
 */
export async function readTransformer(directory: string): Promise<TransformerConfig> {
  const config: TransformerConfig = { maxTokens: undefined, lowerCase: false }
  for (const file of FILES) {
    const json = await readJson(directory, file, true)
    if (json === undefined) continue
    for (const [key, value] of Object.entries(asObject(json, file))) {
      if (key === 'max_seq_length' && isLimit(value)) config.maxTokens = value
      else if (key === 'do_lower_case' && typeof value === 'boolean') config.lowerCase = value
      else if (!FREE.includes(key) && !isNothing(value) && JSON.stringify(value) !== USUAL[key]) {
        throw new ModelLoadError(`${file}: ${JSON.stringify(key.slice(0, 40))} is not understood.`)
      }
    }
    break
  }
  const tokenizer = 'tokenizer_config.json'
  const json = asObject((await readJson(directory, tokenizer, true)) ?? {}, tokenizer)
  if (isLimit(json.model_max_length)) config.maxTokens ??= json.model_max_length
  return config
}

/** transformers writes 1e30 where there is no limit. */
function isLimit(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 3
}

function isNothing(value: unknown): boolean {
  if (value === null || value === undefined || value === false) return true
  return typeof value === 'object' && Object.keys(value).length === 0
}
