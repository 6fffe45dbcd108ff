/** What follows the encoder, as keys of the GGUF. */

import { join } from 'node:path'
import { ModelLoadError } from '../../common/errors.js'
import { MAX_TOKENS_KEY, MODULES_KEY, moduleKey, POOLING_KEY } from '../formats/gguf/own-keys.js'
import { entry, type GgufEntry, StringArray } from '../formats/gguf/values.js'
import { quoted, readFloats } from '../formats/tensor-file.js'
import { openCheckpoint } from './checkpoint.js'
import type { ModuleConfig, SentenceConfig } from './modules.js'
import type { PoolingMode } from './pooling.js'

/** llama_pooling_type; the others have no number there. */
const POOLING_TYPES: Partial<Record<PoolingMode, number>> = { mean: 1, cls: 2, lasttoken: 3 }

/** `bert.pooling_type`: 0 where `POOLING_KEY` says it. */
export function poolingType({ pooling: [first, ...more] }: SentenceConfig): number {
  return more.length === 0 ? (POOLING_TYPES[first as PoolingMode] ?? 0) : 0
}

export interface ModuleEntries {
  entries: GgufEntry[]
  /** The files that their numbers come from. */
  sources: string[]
  parameters: number
}

/**
 * @param positions the most tokens that the encoder takes
 * @throws ModelLoadError, IntegrityError for weights that are not what a module's configuration says
 */
export async function moduleEntries(
  directory: string,
  sentence: SentenceConfig,
  positions: number,
): Promise<ModuleEntries> {
  const { maxTokens, pooling, modules } = sentence
  const out: ModuleEntries = { entries: [], sources: [], parameters: 0 }
  if (maxTokens !== undefined && maxTokens < positions) {
    out.entries.push(entry.uint32(MAX_TOKENS_KEY, maxTokens))
  }
  if (poolingType(sentence) === 0) {
    out.entries.push(entry.strings(POOLING_KEY, StringArray.from(pooling)))
  }
  if (modules.length === 0) return out
  const kinds = StringArray.from(modules.map(({ kind }) => kind))
  out.entries.push(entry.strings(MODULES_KEY, kinds))
  for (const [index, module] of modules.entries()) {
    if (module.kind === 'normalize') continue
    const { weight, bias, files } = await readWeights(directory, module)
    out.entries.push(entry.numbers(moduleKey(index, 'weight'), weight))
    if (bias) out.entries.push(entry.numbers(moduleKey(index, 'bias'), bias))
    if (module.kind === 'dense') {
      out.entries.push(entry.string(moduleKey(index, 'activation'), module.activation))
    }
    out.sources.push(...files.map((file) => `${module.folder}/${file}`))
    out.parameters += weight.length + (bias?.length ?? 0)
  }
  return out
}

async function readWeights(
  directory: string,
  module: Exclude<ModuleConfig, { kind: 'normalize' }>,
): Promise<{ weight: Float32Array; bias: Float32Array | undefined; files: readonly string[] }> {
  const { kind, folder, inputs } = module
  const file = await openCheckpoint(join(directory, folder))
  try {
    const left = new Set(file.tensors.keys())
    const read = async (name: string, shape: number[]) => {
      const tensor = file.tensors.get(name)
      if (tensor?.shape.join() !== shape.join()) {
        const found = tensor === undefined ? 'missing' : tensor.shape.join(' x ')
        throw new ModelLoadError(
          `${folder}: ${quoted(name)} is ${found}, and should be ${shape.join(' x ')}.`,
        )
      }
      left.delete(name)
      await tensor.verify?.()
      return readFloats(tensor)
    }
    const [weight, bias] =
      kind === 'dense'
        ? [
            await read('linear.weight', [module.outputs, inputs]),
            module.bias ? await read('linear.bias', [module.outputs]) : undefined,
          ]
        : [await read('norm.weight', [inputs]), await read('norm.bias', [inputs])]
    const [unknown] = left
    if (unknown !== undefined) {
      throw new ModelLoadError(
        `${folder} has the tensor ${quoted(unknown)}, which is no ${kind}'s.`,
      )
    }
    return { weight, bias, files: file.files }
  } finally {
    await file.close()
  }
}
