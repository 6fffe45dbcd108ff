/** What `config.json` and its neighbours say about a checkpoint. */

import { readFile, stat } from 'node:fs/promises'
import { join, normalize, sep } from 'node:path'
import { ModelLoadError, ModelNotFoundError } from '../../common/errors.js'

/** Shape of an XLM-RoBERTa encoder. */
export interface EncoderConfig {
  layers: number
  hidden: number
  ffn: number
  heads: number
  /** Rows of the position table in the checkpoint. */
  positionRows: number
  /** Rows before the first position that is used: the table starts at `pad_token_id + 1`. */
  positionOffset: number
  tokenTypes: number
  /** Rows of the token table. */
  vocabSize: number
  layerNormEpsilon: number
  pooling: 'cls' | 'mean'
}

// No encoder comes near; a hostile file must not make the converter write terabytes.
const LIMITS = { layers: 256, hidden: 16384, ffn: 65536, heads: 1024, rows: 1 << 22 }
const MAX_JSON_BYTES = 1 << 28

type Json = Record<string, unknown>

/**
 * @throws ModelNotFoundError when there is no config.json, ModelLoadError when it describes no encoder
 * that can be converted.
 */
export async function readConfig(directory: string): Promise<EncoderConfig> {
  const json = asObject(await readJson(directory, 'config.json'), 'config.json')
  const type = json.model_type
  if (type !== 'xlm-roberta') {
    throw new ModelLoadError(
      `config.json: model_type must be xlm-roberta, which bge-m3 is${typeof type === 'string' ? `, not ${JSON.stringify(type.slice(0, 40))}` : ''}.`,
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
    layers: whole('num_hidden_layers', LIMITS.layers),
    hidden: whole('hidden_size', LIMITS.hidden),
    ffn: whole('intermediate_size', LIMITS.ffn),
    heads: whole('num_attention_heads', LIMITS.heads),
    positionRows: whole('max_position_embeddings', LIMITS.rows),
    positionOffset: whole('pad_token_id', LIMITS.rows, 0, 1) + 1,
    tokenTypes: whole('type_vocab_size', 16),
    vocabSize: whole('vocab_size', LIMITS.rows, 5),
    layerNormEpsilon: positive(json.layer_norm_eps ?? 1e-12),
    pooling: await readPooling(directory),
  }
  if (config.hidden % config.heads !== 0) {
    throw new ModelLoadError('config.json: hidden_size is no multiple of num_attention_heads.')
  }
  if (config.positionRows <= config.positionOffset) {
    throw new ModelLoadError('config.json: max_position_embeddings leaves no positions.')
  }
  return config
}

/** sentence-transformers' modules.json names the pooling; bge-m3's is CLS, and so is the default. */
async function readPooling(directory: string): Promise<'cls' | 'mean'> {
  const modules = await readJson(directory, 'modules.json', true)
  if (!Array.isArray(modules)) return 'cls'
  const pooling = (modules as (Json | null)[]).find(
    (module) => typeof module?.type === 'string' && module.type.endsWith('Pooling'),
  )
  if (typeof pooling?.path !== 'string') return 'cls'
  const path = normalize(join(pooling.path, 'config.json'))
  if (path.startsWith('..') || path.startsWith(sep)) {
    throw new ModelLoadError('modules.json names a directory outside of the checkpoint.')
  }
  const json = asObject(await readJson(directory, path), path)
  if (json.pooling_mode_cls_token === true) return 'cls'
  if (json.pooling_mode_mean_tokens === true) return 'mean'
  throw new ModelLoadError(`${path}: only CLS and mean pooling can be converted.`)
}

/**
 * Parses a JSON file of the checkpoint; `undefined` if it is not there and `optional`.
 *
 * @throws ModelNotFoundError, ModelLoadError
 */
export async function readJson(
  directory: string,
  name: string,
  optional = false,
): Promise<unknown> {
  const path = join(directory, name)
  let text: string
  try {
    const { size } = await stat(path)
    if (size > MAX_JSON_BYTES) throw new ModelLoadError(`${path} is too large.`)
    text = await readFile(path, 'utf8')
  } catch (cause) {
    const missing = ['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '')
    if (missing && optional) return undefined
    if (missing) throw new ModelNotFoundError(`The checkpoint has no ${name}.`, { cause })
    if (cause instanceof ModelLoadError) throw cause
    throw new ModelLoadError(`${path} cannot be read.`, { cause })
  }
  try {
    return JSON.parse(text)
  } catch {
    // The parser's own message would quote the file.
    throw new ModelLoadError(`${path} is not valid JSON.`)
  }
}

export function asObject(value: unknown, name: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ModelLoadError(`${name} is not a JSON object.`)
  }
  return value as Json
}

function positive(value: unknown): number {
  if (typeof value !== 'number' || !(value > 0 && value < 1)) {
    throw new ModelLoadError('config.json: layer_norm_eps must be between 0 and 1.')
  }
  return value
}
