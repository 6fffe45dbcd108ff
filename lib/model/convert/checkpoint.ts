/** The weights of a checkpoint directory: one file or several, safetensors or PyTorch. */

import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { ModelLoadError, ModelNotFoundError } from '../../common/errors.js'
import { openSafetensors } from '../formats/safetensors.js'
import { quoted, type StoredTensor, type TensorFile } from '../formats/tensor-file.js'
import { openTorch } from '../formats/torch/torch.js'
import { asObject, readJson } from './json.js'

export interface CheckpointWeights {
  /** Names of the files, as in the directory. */
  files: readonly string[]
  /** Bytes of all of them. */
  size: number
  tensors: ReadonlyMap<string, StoredTensor>
  close(): Promise<void>
}

const FORMATS = [
  { file: 'model.safetensors', open: openSafetensors },
  { file: 'pytorch_model.bin', open: openTorch },
] as const

/**
 * Opens `model.safetensors` or else `pytorch_model.bin`, or the parts that their `.index.json` lists.
 *
 * @throws ModelNotFoundError when there are none, ModelLoadError and IntegrityError for what is wrong
 * with them.
 */
export async function openCheckpoint(directory: string): Promise<CheckpointWeights> {
  const present = new Set(
    await readdir(directory).catch((cause: unknown) => {
      throw new ModelNotFoundError(`There is no directory ${directory}.`, { cause })
    }),
  )
  for (const { file, open } of FORMATS) {
    if (present.has(file)) return openAll(directory, [file], open)
    if (present.has(`${file}.index.json`)) {
      return openAll(directory, await readIndex(directory, `${file}.index.json`), open)
    }
  }
  throw new ModelNotFoundError(
    `${directory} has neither ${FORMATS.map(({ file }) => file).join(' nor ')}.`,
  )
}

async function openAll(
  directory: string,
  files: readonly string[],
  open: (path: string) => Promise<TensorFile>,
): Promise<CheckpointWeights> {
  const parts: TensorFile[] = []
  const close = async () => {
    for (const part of parts) await part.close()
  }
  try {
    const tensors = new Map<string, StoredTensor>()
    for (const file of files) {
      const part = await open(join(directory, file))
      parts.push(part)
      for (const [name, tensor] of part.tensors) {
        if (tensors.has(name)) throw new ModelLoadError(`${quoted(name)} is in two files.`)
        tensors.set(name, tensor)
      }
    }
    const size = parts.reduce((sum, part) => sum + part.size, 0)
    return { files, size, tensors, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** The parts of a checkpoint in several files, each named once. */
async function readIndex(directory: string, name: string): Promise<string[]> {
  const index = asObject(await readJson(directory, name), name)
  const files = new Set(Object.values(asObject(index.weight_map, `${name}: weight_map`)))
  for (const file of files) {
    if (typeof file !== 'string' || file !== basename(file) || file.startsWith('.')) {
      throw new ModelLoadError(`${name} names a file outside of the checkpoint.`)
    }
  }
  return [...(files as Set<string>)].sort()
}
