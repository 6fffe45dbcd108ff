/**
 * What is read from a model's files beside the weights: heads and fingerprint. Kept for as long as an
 * engine uses it, so that a second load of a loaded file reads nothing again.
 */

import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fromFloat16 } from '../common/float16.js'
import { isTyped } from '../common/realms.js'
import type { Outputs } from '../common/types.js'
import { type Prompts, settingsOf } from '../model/file-settings.js'
import { fingerprintModel } from '../model/fingerprint.js'
import { type Heads, loadHeads } from '../model/heads.js'
import type { NativeHeads, NativeModelInfo } from '../native/addon.js'
import { loadAddon } from '../native/load.js'

export interface Prepared {
  heads: NativeHeads | null
  /** Files the heads came from. */
  headPaths: readonly string[]
  /** What can be asked of this model. */
  outputs: Required<Outputs>
  /** Width of ColBERT rows; 0 without that head. */
  colbertDim: number
  prompts: Prompts
  /** The most tokens that texts were meant to have, if the file says so. */
  maxTokens: number | undefined
  /** See `fingerprintModel`. */
  fingerprint: string
}

export interface PrepareOptions {
  path: string
  heads: string | undefined
  /** Of the model file, where the integrity check knows it. */
  sha256: string | undefined
  info: NativeModelInfo
}

const inUse = new Map<string, WeakRef<Prepared>>()

export async function prepare(options: PrepareOptions): Promise<Prepared> {
  const key = await keyOf(options)
  const known = inUse.get(key)?.deref()
  if (known) return known
  const prepared = await read(options)
  for (const [other, ref] of inUse) if (!ref.deref()) inUse.delete(other)
  inUse.set(key, new WeakRef(prepared))
  return prepared
}

/** A file that was replaced or written to is another file. */
async function keyOf({ path, heads, sha256 }: PrepareOptions): Promise<string> {
  const { dev, ino, size, mtimeMs } = await stat(path)
  // heads lie where they were named, or beside the model: a folder's time changes with its files
  const place = await stat(heads ?? dirname(path)).catch(() => undefined)
  return JSON.stringify([path, dev, ino, size, mtimeMs, sha256, heads, place?.mtimeMs])
}

async function read({ path, heads: named, sha256, info }: PrepareOptions): Promise<Prepared> {
  const { dim } = info
  // a re-ranker's head is in its file; what lies beside it is another model's
  const isRanker = info.pooling === 'rank'
  const heads = isRanker ? undefined : await loadHeads({ model: path, dim, heads: named })
  const { quantization } = loadAddon().machine()
  const { prompts, maxTokens, modules } = await settingsOf(path)
  return {
    heads: heads ? toNative(heads, dim) : null,
    headPaths: heads?.paths ?? [],
    outputs: {
      dense: true,
      sparse: heads?.sparse !== undefined,
      colbert: heads?.colbert !== undefined,
    },
    colbertDim: heads?.colbert?.bias.length ?? 0,
    prompts,
    maxTokens,
    fingerprint: await fingerprintModel({
      path,
      sha256,
      heads: heads?.sha256,
      quantization,
      prompts,
      modules,
    }),
  }
}

function toNative({ sparse, colbert }: Heads, dim: number): NativeHeads {
  const { NativeHeads } = loadAddon()
  return new NativeHeads(dim, {
    ...(sparse && { sparseWeight: sparse.weight, sparseBias: sparse.bias }),
    ...(colbert && {
      colbertWeight: isTyped(colbert.weight, 'Uint16Array')
        ? fromFloat16(colbert.weight)
        : colbert.weight,
      colbertBias: colbert.bias,
    }),
  })
}
