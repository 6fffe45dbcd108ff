/**
 * Tensors of an XLM-RoBERTa or BERT checkpoint, by the names of transformers and of llama.cpp, in the order of
 * the published bge-m3 GGUF. After llama.cpp v0.5.0, `conversion/bert.py` and
 * `gguf-py/gguf/tensor_mapping.py`.
 */

import type { EncoderConfig } from './config.js'

export interface TensorRule {
  /** In the checkpoint, as `sourceName` gives it. */
  source: string
  /** In the GGUF. */
  target: string
  /** In the checkpoint, slowest dimension first. */
  shape: readonly number[]
  /** Rows at the beginning that are left out. */
  skipRows: number
  /** Multiplied by, so stored in the type that was asked for; everything else stays float32. */
  matrix: boolean
}

/** What a checkpoint has beside the encoder: poolers and language-model heads, which embed nothing. */
const IGNORED =
  /^(embeddings\.position_ids|pooler\.dense\.(weight|bias)|lm_head\..+|cls\.(predictions|seq_relationship)\..+)$/

export function isIgnored(name: string): boolean {
  return IGNORED.test(name)
}

/**
 * A tensor's name by which rules know it: class names such as XLMRobertaForMaskedLM put `roberta.` or
 * `bert.` in front, and BERT's first checkpoints have TensorFlow's names of a norm's two vectors.
 */
export function sourceName(name: string): string {
  return name
    .replace(/^(roberta|bert)\./, '')
    .replace(/\.gamma$/, '.weight')
    .replace(/\.beta$/, '.bias')
}

export function tensorRules(config: EncoderConfig): TensorRule[] {
  const { hidden, ffn } = config
  const table = (source: string, target: string, rows: number, skipRows = 0): TensorRule => ({
    source,
    target,
    shape: [rows, hidden],
    skipRows,
    matrix: target === 'token_embd.weight',
  })
  const pair = (source: string, target: string, shape: readonly number[]): TensorRule[] => [
    {
      source: `${source}.weight`,
      target: `${target}.weight`,
      shape,
      skipRows: 0,
      matrix: shape.length === 2,
    },
    {
      source: `${source}.bias`,
      target: `${target}.bias`,
      shape: [shape[0] as number],
      skipRows: 0,
      matrix: false,
    },
  ]
  const rules = [
    table('embeddings.word_embeddings.weight', 'token_embd.weight', config.vocabSize),
    table(
      'embeddings.position_embeddings.weight',
      'position_embd.weight',
      config.positionRows,
      config.positionOffset,
    ),
    table('embeddings.token_type_embeddings.weight', 'token_types.weight', config.tokenTypes),
    ...pair('embeddings.LayerNorm', 'token_embd_norm', [hidden]),
  ]
  for (let layer = 0; layer < config.layers; layer++) {
    const from = `encoder.layer.${layer}`
    const to = `blk.${layer}`
    rules.push(
      ...pair(`${from}.attention.self.query`, `${to}.attn_q`, [hidden, hidden]),
      ...pair(`${from}.attention.self.key`, `${to}.attn_k`, [hidden, hidden]),
      ...pair(`${from}.attention.self.value`, `${to}.attn_v`, [hidden, hidden]),
      ...pair(`${from}.attention.output.dense`, `${to}.attn_output`, [hidden, hidden]),
      ...pair(`${from}.attention.output.LayerNorm`, `${to}.attn_output_norm`, [hidden]),
      ...pair(`${from}.intermediate.dense`, `${to}.ffn_up`, [ffn, hidden]),
      ...pair(`${from}.output.dense`, `${to}.ffn_down`, [hidden, ffn]),
      ...pair(`${from}.output.LayerNorm`, `${to}.layer_output_norm`, [hidden]),
    )
  }
  return [...rules, ...headRules(config)]

  /** XLM-R's head; BERT's pooler, which llama.cpp's converter drops, and classifier. */
  function headRules({ family, label }: EncoderConfig): TensorRule[] {
    if (label === undefined) return []
    const [dense, out] =
      family === 'bert'
        ? ['pooler.dense', 'classifier']
        : ['classifier.dense', 'classifier.out_proj']
    return [...pair(dense, 'cls', [hidden, hidden]), ...pair(out, 'cls.output', [1, hidden])]
  }
}
