/** A checkpoint's modules as sentence-transformers lists them in modules.json. */

import { join, normalize, sep } from 'node:path'
import { ModelLoadError } from '../../common/errors.js'
import { asObject, readJson } from './json.js'
import { type PoolingMode, poolingOf } from './pooling.js'
import { readTransformer, type TransformerConfig } from './transformer.js'

/** torch's activation functions, by the last part of their names. */
const ACTIVATIONS = new Map([
  ['Identity', 'identity'],
  ['Tanh', 'tanh'],
  ['ReLU', 'relu'],
  ['GELU', 'gelu'],
  ['Sigmoid', 'sigmoid'],
  ['SiLU', 'silu'],
])
const STATE = 'sentence_embedding'
const MOST_OUTPUTS = 1 << 16

/** A module after the pooling that changes more than a vector's length. */
export type ModuleConfig =
  | {
      kind: 'dense'
      folder: string
      inputs: number
      outputs: number
      bias: boolean
      activation: string
    }
  | { kind: 'layer_norm'; folder: string; inputs: number }
  | { kind: 'normalize' }

/** How a checkpoint's token states become a vector. */
export interface SentenceConfig extends TransformerConfig {
  pooling: readonly PoolingMode[]
  /** The file that says so; undefined where none does, and it was assumed. */
  poolingSource: string | undefined
  /** Without a Normalize at the end: lengths are made 1 by us (`normalize`). */
  modules: readonly ModuleConfig[]
}

/**
 * modules.json, where there is one; else `1_Pooling` may be there, as first versions have it without.
 * Without both the pooling is `assumed`.
 *
 * @param hidden width of a token state
 * @throws ModelLoadError for what is not understood, by its name: it would change vectors
 */
export async function readModules(
  directory: string,
  hidden: number,
  assumed: PoolingMode = 'cls',
): Promise<SentenceConfig> {
  const transformer = await readTransformer(directory)
  const list = await readJson(directory, 'modules.json', true)
  if (list === undefined) {
    const file = '1_Pooling/config.json'
    const json = await readJson(directory, file, true)
    const pooling = json === undefined ? [assumed] : poolingOf(json, file, hidden)
    const poolingSource = json === undefined ? undefined : file
    return { ...transformer, pooling, poolingSource, modules: [] }
  }
  if (!Array.isArray(list)) throw new ModelLoadError('modules.json is not a list.')
  const [first, second, ...rest] = list.map((each, i) => entryOf(each, i + 1))
  if (first?.name !== 'Transformer' || normalize(join(first.folder, '.')) !== '.') {
    throw misplaced(first, 'is not the Transformer of this directory')
  }
  if (second?.name !== 'Pooling') throw misplaced(second, 'is no Pooling')
  const poolingSource = `${second.folder}/config.json`
  const pooling = poolingOf(await readJson(directory, poolingSource), poolingSource, hidden)
  const modules: ModuleConfig[] = []
  let width = pooling.length * hidden
  for (const entry of rest) {
    const module = await moduleOf(directory, entry, width)
    if (module === undefined) continue
    if (module.kind === 'dense') width = module.outputs
    modules.push(module)
  }
  if (modules.at(-1)?.kind === 'normalize') modules.pop()
  return { ...transformer, pooling, poolingSource, modules }
}

interface Entry {
  /** Its class. */
  name: string
  folder: string
  /** Counted from 1. */
  position: number
}

function entryOf(value: unknown, position: number): Entry {
  const { type, path } = asObject(value, `modules.json: module ${position}`)
  const known = typeof type === 'string' ? /^sentence_transformers\.[\w.]*?(\w+)$/.exec(type) : null
  const name = known?.[1] ?? (typeof type === 'string' ? type : 'without a type')
  const folder = normalize(typeof path === 'string' ? path : '')
  if (folder.startsWith('..') || folder.startsWith(sep)) {
    throw new ModelLoadError('modules.json names a directory outside of the checkpoint.')
  }
  return { name, folder, position }
}

function misplaced(entry: Entry | undefined, why: string): ModelLoadError {
  if (entry === undefined) return new ModelLoadError('modules.json has no Pooling.')
  const { position, name } = entry
  return new ModelLoadError(`modules.json: module ${position} (${name.slice(0, 40)}) ${why}.`)
}

/** Undefined for Dropout, which does nothing once a model is trained. */
async function moduleOf(
  directory: string,
  entry: Entry,
  width: number,
): Promise<ModuleConfig | undefined> {
  const { name, folder } = entry
  if (name === 'Dropout') return undefined
  const file = `${folder}/config.json`
  if (name === 'Normalize') {
    const json = folder === '.' ? undefined : await readJson(directory, file, true)
    const { rest } = onState(json ?? {}, file)
    refuseOthers(rest, file)
    return { kind: 'normalize' }
  }
  if (name === 'LayerNorm') {
    const { dimension, ...rest } = asObject(await readJson(directory, file), file)
    if (dimension !== width) throw misplaced(entry, `has not the ${width} inputs before it`)
    refuseOthers(rest, file)
    return { kind: 'layer_norm', folder, inputs: width }
  }
  if (name !== 'Dense') throw misplaced(entry, 'cannot be converted')
  const { rest: config } = onState(await readJson(directory, file), file)
  const { in_features, out_features, bias = true, activation_function, ...rest } = config
  if (in_features !== width) throw misplaced(entry, `has not the ${width} inputs before it`)
  const outputs = out_features as number
  if (!Number.isInteger(outputs) || outputs < 1 || outputs > MOST_OUTPUTS) {
    throw misplaced(entry, 'has no valid number of outputs')
  }
  refuseOthers({ ...rest, ...(typeof bias !== 'boolean' && { bias }) }, file)
  const activation = activationOf(activation_function, file)
  return { kind: 'dense', folder, inputs: width, outputs, bias: bias === true, activation }
}

/** What else it says, once it is known to work on the pooled state. */
function onState(json: unknown, file: string): { rest: Record<string, unknown> } {
  const { module_input_name = STATE, module_output_name, ...rest } = asObject(json, file)
  if (module_input_name !== STATE || (module_output_name ?? STATE) !== STATE) {
    throw new ModelLoadError(`${file}: module_input_name and module_output_name must be ${STATE}.`)
  }
  return { rest }
}

function refuseOthers(rest: Record<string, unknown>, file: string): void {
  const key = Object.keys(rest).find((one) => rest[one] !== null && rest[one] !== false)
  if (key !== undefined) {
    throw new ModelLoadError(`${file}: ${JSON.stringify(key.slice(0, 40))} is not understood.`)
  }
}

/** By default tanh, as the module has it. */
function activationOf(value: unknown, file: string): string {
  const name = value ?? 'torch.nn.modules.activation.Tanh'
  const last = typeof name === 'string' ? name.split('.').at(-1) : undefined
  const known = ACTIVATIONS.get(last ?? '')
  if (known !== undefined && (name as string).startsWith('torch.nn.')) return known
  const told = typeof name === 'string' ? JSON.stringify(name.slice(0, 60)) : typeof name
  throw new ModelLoadError(
    `${file}: activation_function ${told} is none of ${[...ACTIVATIONS.keys()].join(', ')}.`,
  )
}
