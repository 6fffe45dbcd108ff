/** What `config.json` says about a checkpoint's encoder. */

import { ModelLoadError } from '../../common/errors.js'
import { asObject, type Json, readJson } from './json.js'

/** `model_type`s: RoBERTa and XLM-RoBERTa are one encoder with two vocabularies. */
const FAMILIES = ['xlm-roberta', 'roberta', 'bert'] as const

/** Shape of an XLM-RoBERTa, RoBERTa or BERT encoder. */
export interface EncoderConfig {
  family: (typeof FAMILIES)[number]
  layers: number
  hidden: number
  ffn: number
  heads: number
  /** Rows of the position table in the checkpoint. */
  positionRows: number
  /** Rows before the first position that is used: XLM-RoBERTa's table starts at `pad_token_id + 1`. */
  positionOffset: number
  tokenTypes: number
  /** Rows of the token table. */
  vocabSize: number
  layerNormEpsilon: number
  /** The name of a re-ranker's one label; undefined for a model that embeds. */
  label: string | undefined
}

// No encoder comes near; a hostile file must not make the converter write terabytes.
const LIMITS = { layers: 256, hidden: 16384, ffn: 65536, heads: 1024, rows: 1 << 22 }

/**
 * @throws ModelNotFoundError when there is no config.json, ModelLoadError when it describes no encoder
 * that can be converted.
 */
export async function readConfig(directory: string): Promise<EncoderConfig> {
  const json = asObject(await readJson(directory, 'config.json'), 'config.json')
  const type = FAMILIES.find((family) => family === json.model_type)
  if (type === undefined) {
    const found = json.model_type
    throw new ModelLoadError(
      `config.json: model_type must be xlm-roberta, which bge-m3 is, roberta or bert${typeof found === 'string' ? `, not ${JSON.stringify(found.slice(0, 40))}` : ''}.`,
    )
  }
  // The graph in llama.cpp has the one activation and the one kind of positions.
  if ((json.hidden_act ?? 'gelu') !== 'gelu') {
    throw new ModelLoadError('config.json: hidden_act must be gelu.')
  }
  if ((json.position_embedding_type ?? 'absolute') !== 'absolute') {
    throw new ModelLoadError('config.json: position_embedding_type must be absolute.')
  }
  const whole = (key: string, max: number, min = 1, fallback?: number): number => {
    const value = json[key] ?? fallback
    if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
      throw new ModelLoadError(`config.json: ${key} must be a whole number from ${min} to ${max}.`)
    }
    return value as number
  }
  const config: EncoderConfig = {
    family: type,
    layers: whole('num_hidden_layers', LIMITS.layers),
    hidden: whole('hidden_size', LIMITS.hidden),
    ffn: whole('intermediate_size', LIMITS.ffn),
    heads: whole('num_attention_heads', LIMITS.heads),
    positionRows: whole('max_position_embeddings', LIMITS.rows),
    positionOffset: type === 'bert' ? 0 : whole('pad_token_id', LIMITS.rows, 0, 1) + 1,
    tokenTypes: whole('type_vocab_size', 16, 1, type === 'bert' ? 2 : undefined),
    vocabSize: whole('vocab_size', LIMITS.rows, 5),
    layerNormEpsilon: positive(json.layer_norm_eps ?? 1e-12),
    label: readLabel(json),
  }
  if (config.hidden % config.heads !== 0) {
    throw new ModelLoadError('config.json: hidden_size is no multiple of num_attention_heads.')
  }
  if (config.positionRows <= config.positionOffset) {
    throw new ModelLoadError('config.json: max_position_embeddings leaves no positions.')
  }
  return config
}

/** A sequence classifier's one label, undefined for an encoder without a head. */
function readLabel({ architectures, id2label, num_labels }: Json): string | undefined {
  const name = Array.isArray(architectures) ? (architectures[0] as unknown) : undefined
  if (typeof name !== 'string' || !name.endsWith('ForSequenceClassification')) return undefined
  // transformers takes two where nothing is said
  const labels = id2label === undefined ? undefined : Object.values(asObject(id2label, 'id2label'))
  const count = labels?.length ?? num_labels ?? 2
  if (count !== 1) {
    const told = typeof count === 'number' ? `${count} labels` : 'no number of labels'
    throw new ModelLoadError(`config.json: a classifier with ${told}; a re-ranker has one.`)
  }
  const label = labels?.[0]
  return typeof label === 'string' ? label : 'LABEL_0'
}

function positive(value: unknown): number {
  if (typeof value !== 'number' || !(value > 0 && value < 1)) {
    throw new ModelLoadError('config.json: layer_norm_eps must be between 0 and 1.')
  }
  return value
}
