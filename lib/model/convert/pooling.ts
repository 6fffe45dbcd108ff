/** sentence-transformers' Pooling module: how token states become one vector. */

import { ModelLoadError } from '../../common/errors.js'
import { asObject } from './json.js'

/** As sentence-transformers 6.2 names them, in the order in which the flags of older versions are joined. */
export const POOLING_MODES = [
  'cls',
  'max',
  'mean',
  'mean_sqrt_len_tokens',
  'weightedmean',
  'lasttoken',
] as const
/** One of `POOLING_MODES`. */
export type PoolingMode = (typeof POOLING_MODES)[number]

/** A flag per mode, as it was before 5.4. */
const FLAGS = new Map<string, PoolingMode>([
  ['pooling_mode_cls_token', 'cls'],
  ['pooling_mode_max_tokens', 'max'],
  ['pooling_mode_mean_tokens', 'mean'],
  ['pooling_mode_mean_sqrt_len_tokens', 'mean_sqrt_len_tokens'],
  ['pooling_mode_weightedmean_tokens', 'weightedmean'],
  ['pooling_mode_lasttoken', 'lasttoken'],
])
const WIDTH_KEYS = ['word_embedding_dimension', 'embedding_dimension']

/**
 * Its modes, whose vectors stand beside each other, from either form of its config.json: a flag per mode,
 * and since 5.4 the mode's name or a list of them, which wins.
 *
 * @throws ModelLoadError for what is not understood, by its name
 */
export function poolingOf(value: unknown, file: string, hidden: number): PoolingMode[] {
  const json = asObject(value, file)
  const flagged = new Set<PoolingMode>()
  let named: unknown[] | undefined
  for (const [key, value] of Object.entries(json)) {
    const flag = FLAGS.get(key)
    if (flag !== undefined && typeof value === 'boolean') value && flagged.add(flag)
    else if (key === 'pooling_mode') named = Array.isArray(value) ? value : [value]
    else if (key === 'include_prompt' && value === false) {
      throw new ModelLoadError(
        `${file}: include_prompt is off, and a prompt is pooled with its text.`,
      )
    } else if (WIDTH_KEYS.includes(key) && value !== hidden) {
      throw new ModelLoadError(`${file}: ${key} is not the ${hidden} of config.json.`)
    } else if (key !== 'include_prompt' && !WIDTH_KEYS.includes(key)) {
      throw new ModelLoadError(`${file}: ${JSON.stringify(key.slice(0, 40))} is not understood.`)
    }
  }
  const modes = named ?? POOLING_MODES.filter((mode) => flagged.has(mode))
  const unknown = modes.find((mode) => !(POOLING_MODES as readonly unknown[]).includes(mode))
  if (unknown !== undefined) {
    const told = typeof unknown === 'string' ? unknown.slice(0, 40) : typeof unknown
    throw new ModelLoadError(`${file} says ${told}, which is no pooling that can be converted.`)
  }
  if (modes.length === 0 || new Set(modes).size < modes.length) {
    throw new ModelLoadError(`${file} says ${modes.length === 0 ? 'no pooling' : 'one twice'}.`)
  }
  return modes as PoolingMode[]
}
