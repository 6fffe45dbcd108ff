// Who is installed and started, and the program of each: from nothing to one embedding, the model of
// bge-m3's shape, no batch prepared, nothing asked twice.

const OURS = `import { Embedder } from 'bge-m3-node'
const m3 = await Embedder.load({ model: process.env.MODEL, cache: false })
const { dense } = await m3.embed('Which river flows through Basel?')
console.log(dense.length)
process.exit()
`

const NODE_LLAMA_CPP = `import { getLlama, LlamaLogLevel } from 'node-llama-cpp'
const llama = await getLlama({ gpu: false, build: 'never', logLevel: LlamaLogLevel.error })
const model = await llama.loadModel({ modelPath: process.env.MODEL })
const context = await model.createEmbeddingContext({ contextSize: 512 })
const { vector } = await context.getEmbeddingFor('Which river flows through Basel?')
console.log(vector.length)
process.exit()
`

// the same sentence as token ids: a tokenizer would come on top
const ONNX = `import ort from 'onnxruntime-node'
const session = await ort.InferenceSession.create(process.env.ONNX_MODEL)
const ids = [0, 156632, 54766, 6, 153549, 8305, 166460, 32, 2]
const row = (type, values) => new ort.Tensor(type, values, [1, ids.length])
const { cls } = await session.run({
  input_ids: row('int64', BigInt64Array.from(ids, BigInt)),
  position_ids: row('int64', BigInt64Array.from(ids, (_, i) => BigInt(i + 2))),
  mask: row('int32', new Int32Array(ids.length).fill(1)),
})
console.log(cls.data.length)
process.exit()
`

/**
 * @param tarballs of this package and of this platform's
 * @param versions of the peers, as bench/peers has them
 */
export function contenders(tarballs, versions) {
  return [
    { id: 'ours', specs: tarballs, program: OURS },
    {
      id: `onnxruntime-node ${versions['onnxruntime-node']}`,
      specs: [`onnxruntime-node@${versions['onnxruntime-node']}`],
      program: ONNX,
    },
    {
      id: `node-llama-cpp ${versions['node-llama-cpp']}`,
      specs: [`node-llama-cpp@${versions['node-llama-cpp']}`],
      program: NODE_LLAMA_CPP,
    },
  ]
}
