/** What `config.json` and its neighbours say about a checkpoint. */

import { readFile, stat } from 'node:fs/promises'
import { join, normalize, sep } from 'node:path'
import { ModelLoadError, ModelNotFoundError } from '../../common/errors.js'

/** Shape of an XLM-RoBERTa or BERT encoder. */
export interface EncoderConfig {
  family: 'xlm-roberta' | 'bert'
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
  /** `rank`: a re-ranker, a sequence classifier with one label. */
  pooling: 'cls' | 'mean' | 'rank'
  /** The name of a re-ranker's label. */
  label: string | undefined
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
  if (type !== 'xlm-roberta' && type !== 'bert') {
    throw new ModelLoadError(
      `config.json: model_type must be xlm-roberta, which bge-m3 is, or bert${typeof type === 'string' ? `, not ${JSON.stringify(type.slice(0, 40))}` : ''}.`,
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
  const label = readLabel(json)
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
    pooling: label === undefined ? await readPooling(directory) : 'rank',
    label,
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

/** What sentence-transformers writes beside the mode; none of it changes a vector without a prompt. */
const POOLING_KEYS = ['word_embedding_dimension', 'embedding_dimension', 'include_prompt']
/** Its modules that the GGUF's graph has; lengths are made 1 by us (`normalize`). */
const MODULES = ['Transformer', 'Pooling', 'Normalize']

/**
 * sentence-transformers' modules.json names the folder of the pooling, else `1_Pooling` may be there;
 * without both it is CLS, as bge-m3's is. What would change a vector and is not understood is refused.
 */
async function readPooling(directory: string): Promise<'cls' | 'mean'> {
  await refuseOtherTexts(directory)
  const modules = await readJson(directory, 'modules.json', true)
  if (modules === undefined) {
    const json = await readJson(directory, '1_Pooling/config.json', true)
    return json === undefined ? 'cls' : poolingOf(json, '1_Pooling/config.json')
  }
  if (!Array.isArray(modules)) throw new ModelLoadError('modules.json is not a list.')
  let pooling: 'cls' | 'mean' | undefined
  for (const [i, each] of modules.entries()) {
    const { type, path } = asObject(each, `modules.json: module ${i + 1}`)
    const name = typeof type === 'string' ? (type.split('.').at(-1) as string) : 'without a type'
    if (!MODULES.includes(name) || (name === 'Pooling' && pooling)) {
      throw new ModelLoadError(
        `modules.json: module ${i + 1} (${name.slice(0, 40)}) cannot be converted; one Transformer, Pooling and Normalize can.`,
      )
    }
    if (name !== 'Pooling') continue
    const file = normalize(join(typeof path === 'string' ? path : '', 'config.json'))
    if (file.startsWith('..') || file.startsWith(sep)) {
      throw new ModelLoadError('modules.json names a directory outside of the checkpoint.')
    }
    pooling = poolingOf(await readJson(directory, file), file)
  }
  return pooling ?? 'cls'
}

/** Both forms: a flag per mode, and since sentence-transformers 5.4 the mode's name. */
function poolingOf(value: unknown, file: string): 'cls' | 'mean' {
  const json = asObject(value, file)
  const modes = new Set<string>()
  for (const [key, value] of Object.entries(json)) {
    const flag = /^pooling_mode_(\w+?)(_tokens?)?$/.exec(key)?.[1]
    if (flag && typeof value === 'boolean') value && modes.add(flag)
    else if (key === 'include_prompt' && value === false) {
      throw new ModelLoadError(
        `${file}: include_prompt is off, and a prompt is pooled with its text.`,
      )
    } else if (key === 'pooling_mode' && typeof value === 'string') modes.add(value)
    else if (!POOLING_KEYS.includes(key)) {
      throw new ModelLoadError(`${file}: ${JSON.stringify(key.slice(0, 40))} is not understood.`)
    }
  }
  const [mode, ...more] = modes
  if (more.length === 0 && (mode === 'cls' || mode === 'mean')) return mode
  const found = [...modes].map((each) => each.slice(0, 40)).join(' and ') || 'no pooling'
  throw new ModelLoadError(`${file} says ${found}: only CLS or mean pooling can be converted.`)
}

/** A setting by which sentence-transformers embeds another text than it is given. */
async function refuseOtherTexts(directory: string): Promise<void> {
  const file = 'sentence_bert_config.json'
  const json = await readJson(directory, file, true)
  if (json === undefined || !asObject(json, file).do_lower_case) return
  throw new ModelLoadError(
    `${file}: do_lower_case is set, and texts are embedded as they are given.`,
  )
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
