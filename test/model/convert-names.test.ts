import { describe, expect, it } from 'vitest'
import type { EncoderConfig } from '../../lib/model/convert/config.js'
import { isIgnored, sourceName, tensorRules } from '../../lib/model/convert/tensor-names.js'

const bgeM3: EncoderConfig = {
  family: 'xlm-roberta',
  layers: 24,
  hidden: 1024,
  ffn: 4096,
  heads: 16,
  positionRows: 8194,
  positionOffset: 2,
  tokenTypes: 1,
  vocabSize: 250002,
  layerNormEpsilon: 1e-5,
  label: undefined,
}

describe('tensorRules', () => {
  it("names tensors as llama.cpp's own mapping does", () => {
    // Printed by gguf-py: get_tensor_name_map(MODEL_ARCH.BERT, 24).get_name(...), llama.cpp v0.5.0.
    const mapped = `
      embeddings.word_embeddings.weight token_embd.weight
      embeddings.position_embeddings.weight position_embd.weight
      embeddings.token_type_embeddings.weight token_types.weight
      embeddings.LayerNorm.weight token_embd_norm.weight
      embeddings.LayerNorm.bias token_embd_norm.bias
      encoder.layer.23.attention.self.query.weight blk.23.attn_q.weight
      encoder.layer.23.attention.self.query.bias blk.23.attn_q.bias
      encoder.layer.23.attention.self.key.weight blk.23.attn_k.weight
      encoder.layer.23.attention.self.key.bias blk.23.attn_k.bias
      encoder.layer.23.attention.self.value.weight blk.23.attn_v.weight
      encoder.layer.23.attention.self.value.bias blk.23.attn_v.bias
      encoder.layer.23.attention.output.dense.weight blk.23.attn_output.weight
      encoder.layer.23.attention.output.dense.bias blk.23.attn_output.bias
      encoder.layer.23.attention.output.LayerNorm.weight blk.23.attn_output_norm.weight
      encoder.layer.23.attention.output.LayerNorm.bias blk.23.attn_output_norm.bias
      encoder.layer.23.intermediate.dense.weight blk.23.ffn_up.weight
      encoder.layer.23.intermediate.dense.bias blk.23.ffn_up.bias
      encoder.layer.23.output.dense.weight blk.23.ffn_down.weight
      encoder.layer.23.output.dense.bias blk.23.ffn_down.bias
      encoder.layer.23.output.LayerNorm.weight blk.23.layer_output_norm.weight
      encoder.layer.23.output.LayerNorm.bias blk.23.layer_output_norm.bias`
    const rules = tensorRules(bgeM3)
    expect(rules).toHaveLength(389) // of the published bge-m3
    const lines = mapped.trim().split(/\s*\n\s*/)
    const own = rules.filter(({ target }) => !/^blk\.([0-9]|1\d|2[0-2])\./.test(target))
    expect(own.map(({ source, target }) => `${source} ${target}`)).toEqual(lines)
  })

  it('knows shapes, and which tensors are matrices', () => {
    const rules = new Map(tensorRules(bgeM3).map((rule) => [rule.target, rule]))
    expect(rules.get('position_embd.weight')).toMatchObject({
      shape: [8194, 1024],
      skipRows: 2,
      matrix: false,
    })
    expect(rules.get('token_embd.weight')).toMatchObject({ shape: [250002, 1024], matrix: true })
    expect(rules.get('token_types.weight')).toMatchObject({ shape: [1, 1024], matrix: false })
    expect(rules.get('blk.0.ffn_up.weight')).toMatchObject({ shape: [4096, 1024], matrix: true })
    expect(rules.get('blk.0.ffn_down.weight')).toMatchObject({ shape: [1024, 4096], matrix: true })
    expect(rules.get('blk.0.ffn_up.bias')).toMatchObject({ shape: [4096], matrix: false })
    expect(rules.get('blk.0.attn_output_norm.weight')).toMatchObject({
      shape: [1024],
      matrix: false,
    })
  })
})

it.each([
  ['xlm-roberta', 'classifier.dense', 'classifier.out_proj'],
  ['bert', 'pooler.dense', 'classifier'],
] as const)("names the head of %s as llama.cpp's converter does", (family, dense, out) => {
  const rules = tensorRules({ ...bgeM3, family, label: 'LABEL_0' }).slice(-4)
  expect(rules.map(({ source, target, shape }) => [source, target, shape])).toEqual([
    [`${dense}.weight`, 'cls.weight', [1024, 1024]],
    [`${dense}.bias`, 'cls.bias', [1024]],
    [`${out}.weight`, 'cls.output.weight', [1, 1024]],
    [`${out}.bias`, 'cls.output.bias', [1]],
  ])
})

it('leaves out what is no part of the encoder', () => {
  for (const name of ['embeddings.position_ids', 'pooler.dense.weight', 'lm_head.decoder.weight']) {
    expect(isIgnored(name)).toBe(true)
  }
  expect(isIgnored('encoder.layer.0.output.dense.lora_A')).toBe(false)
  expect(sourceName('roberta.encoder.x')).toBe('encoder.x')
  expect(sourceName('bert.embeddings.LayerNorm.gamma')).toBe('embeddings.LayerNorm.weight')
})
