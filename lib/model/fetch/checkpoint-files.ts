/** Which files of a repository the converter reads. */

import { ModelLoadError } from '../../common/errors.js'
import type { RepositoryFile } from '../hub/repository.js'

const ABOUT = new Set([
  'config.json',
  'config_sentence_transformers.json',
  'modules.json',
  'sentence_bert_config.json',
  'sentence_roberta_config.json',
  'sentence_xlm-roberta_config.json',
  'special_tokens_map.json',
  'tokenizer_config.json',
])
const VOCABULARY = new Set(['sentencepiece.bpe.model', 'tokenizer.json', 'vocab.txt'])
const HEADS = new Set(['colbert_linear.pt', 'sparse_linear.pt'])
/** Of sentence-transformers' modules. */
const MODULE = /^\d+_\w+\/config\.json$/
const MODULE_WEIGHTS = /^(\d+_\w+\/)(model\.safetensors|pytorch_model\.bin)$/
/** One file or several with their index; the safe format before the other. */
const WEIGHTS = [
  [/^model\.safetensors$/],
  [/^model\.safetensors\.index\.json$/, /^model-\d{5}-of-\d{5}\.safetensors$/],
  [/^pytorch_model\.bin$/],
  [/^pytorch_model\.bin\.index\.json$/, /^pytorch_model-\d{5}-of-\d{5}\.bin$/],
]

export interface CheckpointFiles {
  /** What tells whether it can be converted at all, and small. */
  about: RepositoryFile[]
  rest: RepositoryFile[]
  /** Bytes of all of them. */
  size: number
}

/** @throws ModelLoadError when it holds no checkpoint */
export function checkpointFiles(
  repository: string,
  files: readonly RepositoryFile[],
): CheckpointFiles {
  const paths = new Set(files.map(({ path }) => path))
  const format = WEIGHTS.find((patterns) =>
    patterns.every((pattern) => [...paths].some((path) => pattern.test(path))),
  )
  if (format === undefined || !paths.has('config.json')) {
    throw new ModelLoadError(
      `${repository} has neither a GGUF nor a checkpoint (config.json with model.safetensors or ` +
        'pytorch_model.bin).',
    )
  }
  const about = files.filter(({ path }) => ABOUT.has(path) || MODULE.test(path))
  const isModuleWeights = (path: string) => {
    const [, folder, file] = MODULE_WEIGHTS.exec(path) ?? []
    return file === 'model.safetensors' || (!!file && !paths.has(`${folder}model.safetensors`))
  }
  const isRest = (path: string) =>
    VOCABULARY.has(path) ||
    HEADS.has(path) ||
    isModuleWeights(path) ||
    format.some((pattern) => pattern.test(path))
  const rest = files.filter(({ path }) => isRest(path))
  const size = [...about, ...rest].reduce((sum, file) => sum + file.size, 0)
  return { about, rest, size }
}
