// A bge-m3-shaped ONNX model in the form that ONNX Runtime's own tools make for the CPU: its
// transformer optimizer's fused operators (SkipLayerNormalization, Gelu, attention as one node) and its
// dynamic quantizer's int8 matrix products (weights symmetric with a scale per channel, activations
// uint8 with one scale per tensor, found at run time). Weights are seeded and random: speed does not
// depend on them.
import fs from 'node:fs'
import path from 'node:path'
import onnxProto from 'onnx-proto'

const { onnx } = onnxProto
const { DataType } = onnx.TensorProto
const MICROSOFT = 'com.microsoft'

export const BGE_M3 = {
  layers: 24,
  width: 1024,
  heads: 16,
  inner: 4096,
  vocabulary: 250002,
  positions: 8194,
}

/**
 * Writes `<folder>/<attention>.onnx` and its weights, unless they are there.
 *
 * @param attention `fused` is `QAttention`, what the quantizer makes of the optimizer's `Attention`;
 *   `flash` is one product for Q, K and V and then `MultiHeadAttention`, which does not build the whole
 *   score matrix. Which is faster depends on the length, so a race takes both.
 * @returns the model's path
 */
export function makeOnnxModel(folder, attention, shape = BGE_M3) {
  const file = path.join(folder, `${attention}.onnx`)
  if (fs.existsSync(file)) return file
  fs.mkdirSync(folder, { recursive: true })
  const weights = new Weights(path.join(folder, `${attention}.weights`))
  const graph = buildGraph(weights, attention, shape)
  weights.close()
  const model = onnx.ModelProto.create({
    irVersion: 8,
    producerName: 'bge-m3-node/bench',
    opsetImport: [
      { domain: '', version: 17 },
      { domain: MICROSOFT, version: 1 },
    ],
    graph,
  })
  fs.writeFileSync(`${file}.part`, onnx.ModelProto.encode(model).finish())
  fs.renameSync(`${file}.part`, file)
  return file
}

function buildGraph(weights, attention, { layers, width, heads, inner, vocabulary, positions }) {
  const nodes = []
  const add = (opType, inputs, outputs, attributes = {}, domain = MICROSOFT) => {
    nodes.push({
      opType,
      input: inputs,
      output: outputs,
      domain,
      attribute: Object.entries(attributes).map(attributeOf),
    })
    return outputs[0]
  }
  const standard = (opType, inputs, outputs, attributes) =>
    add(opType, inputs, outputs, attributes, '')
  const norm = (name) => [
    weights.constant(`${name}.weight`, width, 1),
    weights.constant(`${name}.bias`, width, 0),
  ]
  const linear = (name, rows, columns) => [
    weights.int8(`${name}.weight`, rows, columns),
    weights.constant(`${name}.scale`, columns, 1 / (73 * Math.sqrt(rows))),
    weights.constant(`${name}.bias`, columns, 0.01),
  ]
  const product = (name, input, rows, columns) => {
    const [weight, scale, bias] = linear(name, rows, columns)
    return add('DynamicQuantizeMatMul', [input, weight, scale, '', bias], [`${name}.out`])
  }

  const words = weights.uint8('embeddings.words', vocabulary, width)
  const wordScale = weights.constant('embeddings.scale', 1, 0.01, [])
  const wordZero = weights.byte('embeddings.zero', 128)
  const gathered = standard('Gather', [words, 'input_ids'], ['words.q'], { axis: 0 })
  const wordStates = standard('DequantizeLinear', [gathered, wordScale, wordZero], ['words'])
  const positionTable = weights.float('embeddings.positions', positions, width)
  const positionStates = standard('Gather', [positionTable, 'position_ids'], ['positions'], {
    axis: 0,
  })
  let states = add(
    'SkipLayerNormalization',
    [wordStates, positionStates, ...norm('embeddings.norm')],
    ['states.0'],
    { epsilon: 1e-5 },
  )
  for (let i = 0; i < layers; i++) {
    const at = `layer.${i}`
    const quantized = [`${at}.q`, `${at}.q.scale`, `${at}.q.zero`]
    standard('DynamicQuantizeLinear', [states], quantized)
    const [weight, scale, bias] = linear(`${at}.qkv`, width, 3 * width)
    let attended
    if (attention === 'fused') {
      attended = add(
        'QAttention',
        [quantized[0], weight, bias, quantized[1], scale, 'mask', quantized[2]],
        [`${at}.attended`],
        { num_heads: heads },
      )
    } else {
      const all = add(
        'MatMulIntegerToFloat',
        [quantized[0], weight, quantized[1], scale, quantized[2], '', bias],
        [`${at}.qkv`],
      )
      const parts = [`${at}.query`, `${at}.key`, `${at}.value`]
      standard('Split', [all, weights.integers('split', [width, width, width])], parts, { axis: 2 })
      attended = add('MultiHeadAttention', [...parts, '', 'mask'], [`${at}.attended`], {
        num_heads: heads,
      })
    }
    const projected = product(`${at}.projection`, attended, width, width)
    const middle = add(
      'SkipLayerNormalization',
      [projected, states, ...norm(`${at}.norm1`)],
      [`${at}.middle`],
      { epsilon: 1e-5 },
    )
    const up = product(`${at}.up`, middle, width, inner)
    const active = add('Gelu', [up], [`${at}.active`])
    const down = product(`${at}.down`, active, inner, width)
    states = add(
      'SkipLayerNormalization',
      [down, middle, ...norm(`${at}.norm2`)],
      [`states.${i + 1}`],
      { epsilon: 1e-5 },
    )
  }
  // what a dense embedding needs: the first token's state
  standard('Gather', [states, weights.integers('first', [0], [])], ['cls'], { axis: 1 })
  const input = (name, elemType, dims) => ({
    name,
    type: { tensorType: { elemType, shape: { dim: dims.map((dimParam) => ({ dimParam })) } } },
  })
  return {
    name: 'bge-m3-shaped',
    node: nodes,
    initializer: weights.tensors,
    input: [
      input('input_ids', DataType.INT64, ['batch', 'length']),
      input('position_ids', DataType.INT64, ['batch', 'length']),
      input('mask', DataType.INT32, ['batch', 'length']),
    ],
    output: [input('cls', DataType.FLOAT, ['batch', 'width'])],
  }
}

function attributeOf([name, value]) {
  const { INT, FLOAT } = onnx.AttributeProto.AttributeType
  return Number.isInteger(value) ? { name, type: INT, i: value } : { name, type: FLOAT, f: value }
}

/** Tensors of the model; the large ones go to a file beside it. */
class Weights {
  tensors = []
  #file
  #name
  #offset = 0
  #names = new Set()
  #random = new Random(1)

  constructor(file) {
    this.#name = path.basename(file)
    this.#file = fs.openSync(file, 'w')
  }

  int8(name, rows, columns) {
    return this.#external(name, DataType.INT8, rows, columns, 1)
  }

  uint8(name, rows, columns) {
    return this.#external(name, DataType.UINT8, rows, columns, 1)
  }

  float(name, rows, columns) {
    return this.#external(name, DataType.FLOAT, rows, columns, 4)
  }

  constant(name, count, value, dims = [count]) {
    return this.#add({
      name,
      dataType: DataType.FLOAT,
      dims,
      rawData: new Uint8Array(new Float32Array(count).fill(value).buffer),
    })
  }

  integers(name, values, dims = [values.length]) {
    const rawData = new Uint8Array(BigInt64Array.from(values, BigInt).buffer)
    return this.#add({ name, dataType: DataType.INT64, dims, rawData })
  }

  byte(name, value) {
    return this.#add({ name, dataType: DataType.UINT8, dims: [], rawData: Uint8Array.of(value) })
  }

  close() {
    fs.closeSync(this.#file)
  }

  #external(name, dataType, rows, columns, size) {
    const length = rows * columns * size
    for (let left = length; left > 0; ) {
      const part = size === 4 ? this.#random.floats(left) : this.#random.bytes(left)
      fs.writeSync(this.#file, part)
      left -= part.byteLength
    }
    const externalData = [
      { key: 'location', value: this.#name },
      { key: 'offset', value: String(this.#offset) },
      { key: 'length', value: String(length) },
    ]
    this.#offset += length
    const { EXTERNAL } = onnx.TensorProto.DataLocation
    return this.#add({
      name,
      dataType,
      dims: [rows, columns],
      dataLocation: EXTERNAL,
      externalData,
    })
  }

  #add(tensor) {
    if (!this.#names.has(tensor.name)) this.tensors.push(tensor)
    this.#names.add(tensor.name)
    return tensor.name
  }
}

/** xorshift32, a few megabytes at a time. */
class Random {
  #state

  constructor(seed) {
    this.#state = seed
  }

  bytes(atMost) {
    const words = new Uint32Array(Math.min(1 << 20, Math.ceil(atMost / 4)))
    let x = this.#state
    for (let i = 0; i < words.length; i++) {
      x ^= x << 13
      x ^= x >>> 17
      x ^= x << 5
      words[i] = x
    }
    this.#state = x
    return new Uint8Array(words.buffer, 0, Math.min(atMost, words.byteLength))
  }

  floats(atMost) {
    const raw = this.bytes(Math.min(1 << 20, atMost / 4))
    return new Uint8Array(Float32Array.from(raw, (byte) => (byte - 127.5) / 500).buffer)
  }
}
