/** Writes a GGUF in float32 back as the checkpoint it could have been converted from. */

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readConfig } from '../../../lib/model/convert/config.js'
import { tensorRules } from '../../../lib/model/convert/tensor-names.js'
import { HEAD_KEYS } from '../../../lib/model/formats/gguf/own-keys.js'
import { GgufFile } from '../../../lib/model/formats/gguf/reader.js'
import { writeSafetensors } from './safetensors.js'
import { bytesOf, type WritableTensor } from './tensors.js'
import { type GgufVocabulary, sentencePieceModel, tokenizerJson } from './tokenizers.js'
import { type TorchWriterOptions, writeTorch } from './torch.js'

export interface CheckpointOptions extends TorchWriterOptions {
  weights?: 'torch' | 'safetensors'
  tokenizer?: 'sentencepiece' | 'json'
  heads?: boolean
  /** In front of the encoder's names, as in XLMRobertaForMaskedLM. */
  prefix?: string
  /** Changes the list of tensors before it is written. */
  edit?: (tensors: WritableTensor[]) => WritableTensor[]
}

export async function writeCheckpoint(
  gguf: string,
  directory: string,
  options: CheckpointOptions = {},
): Promise<void> {
  await mkdir(directory, { recursive: true })
  const file = await GgufFile.open(gguf)
  try {
    await writeConfig(file, directory)
    const vocabulary = await readGgufVocabulary(file)
    if (options.tokenizer === 'json') {
      await writeFile(join(directory, 'tokenizer.json'), tokenizerJson(vocabulary))
    } else {
      await writeFile(join(directory, 'sentencepiece.bpe.model'), sentencePieceModel(vocabulary))
    }
    if (options.heads ?? true) await writeHeads(file, directory)
    const tensors = await encoderTensors(file, directory, options.prefix ?? '')
    const edited = options.edit?.(tensors) ?? tensors
    if (options.weights === 'safetensors') {
      await writeSafetensors(join(directory, 'model.safetensors'), edited)
    } else {
      await writeTorch(join(directory, 'pytorch_model.bin'), edited, options)
    }
  } finally {
    await file.close()
  }
}

async function writeConfig(file: GgufFile, directory: string): Promise<void> {
  const bert = (key: string) => file.number(`bert.${key}`)
  const config = {
    architectures: ['XLMRobertaModel'],
    model_type: 'xlm-roberta',
    hidden_act: 'gelu',
    hidden_size: bert('embedding_length'),
    intermediate_size: bert('feed_forward_length'),
    layer_norm_eps: Number((bert('attention.layer_norm_epsilon') ?? 0).toPrecision(7)),
    max_position_embeddings: (bert('context_length') ?? 0) + 2,
    num_attention_heads: bert('attention.head_count'),
    num_hidden_layers: bert('block_count'),
    pad_token_id: 1,
    bos_token_id: 0,
    eos_token_id: 2,
    position_embedding_type: 'absolute',
    type_vocab_size: 1,
    vocab_size: file.keys.get('tokenizer.ggml.tokens')?.length,
  }
  await writeFile(join(directory, 'config.json'), JSON.stringify(config))
  const modules = [
    { idx: 0, name: '0', path: '', type: 'sentence_transformers.models.Transformer' },
    { idx: 1, name: '1', path: '1_Pooling', type: 'sentence_transformers.models.Pooling' },
  ]
  await writeFile(join(directory, 'modules.json'), JSON.stringify(modules))
  await mkdir(join(directory, '1_Pooling'), { recursive: true })
  const mean = bert('pooling_type') === 1
  await writeFile(
    join(directory, '1_Pooling', 'config.json'),
    JSON.stringify({ pooling_mode_cls_token: !mean, pooling_mode_mean_tokens: mean }),
  )
}

export async function readGgufVocabulary(file: GgufFile): Promise<GgufVocabulary> {
  const tokens = await file.strings('tokenizer.ggml.tokens')
  if (tokens === undefined) throw new Error('no tokens')
  return {
    tokens: Array.from({ length: tokens.length }, (_, i) => tokens.bytesAt(i)),
    scores: (await file.numbers('tokenizer.ggml.scores')) as Float32Array,
    types: (await file.numbers('tokenizer.ggml.token_type')) as Int32Array,
    charsmap: (await file.numbers('tokenizer.ggml.precompiled_charsmap')) as Uint8Array,
  }
}

async function writeHeads(file: GgufFile, directory: string): Promise<void> {
  const dim = file.number('bert.embedding_length') ?? 0
  const layer = async (name: 'sparse' | 'colbert', rows: number) => {
    const part = async (key: string, shape: number[], label: string): Promise<WritableTensor> => {
      const values = (await file.numbers(key)) as Uint16Array
      return { name: label, dtype: 'F16', shape, chunks: () => [bytesOf(values)] }
    }
    await writeTorch(
      join(directory, `${name}_linear.pt`),
      [
        await part(HEAD_KEYS[`${name}Weight`], [rows, dim], 'weight'),
        await part(HEAD_KEYS[`${name}Bias`], [rows], 'bias'),
      ],
      { root: `${name}_linear` },
    )
  }
  await layer('sparse', 1)
  await layer('colbert', dim)
}

/** The encoder's tensors under transformers' names, and those that a converter must leave out. */
async function encoderTensors(
  file: GgufFile,
  directory: string,
  prefix: string,
): Promise<WritableTensor[]> {
  const config = await readConfig(directory)
  const floats = (
    name: string,
    shape: readonly number[],
    values: Float32Array,
  ): WritableTensor => ({
    name: prefix + name,
    dtype: 'F32',
    shape,
    chunks: () => [bytesOf(values)],
  })
  const { hidden, positionRows } = config
  const ids = BigInt64Array.from({ length: positionRows }, (_, i) => BigInt(i))
  return [
    {
      name: `${prefix}embeddings.position_ids`,
      dtype: 'I64',
      shape: [1, positionRows],
      chunks: () => [bytesOf(ids)],
    },
    ...tensorRules(config).map(
      (rule): WritableTensor => ({
        name: prefix + rule.source,
        dtype: 'F32',
        shape: rule.shape,
        async *chunks() {
          // What must not come through: the rows before the first position.
          yield bytesOf(new Float32Array(rule.skipRows * hidden).fill(123))
          yield* file.tensorChunks(rule.target)
        },
      }),
    ),
    floats('pooler.dense.weight', [hidden, hidden], new Float32Array(hidden * hidden).fill(9)),
    floats('pooler.dense.bias', [hidden], new Float32Array(hidden)),
  ]
}
