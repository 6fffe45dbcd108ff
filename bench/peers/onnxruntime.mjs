// ONNX Runtime with the int8 model of onnx-model.mjs. Its texts come as token ids: what it would take to
// tokenize them is not counted.
import ort from 'onnxruntime-node'
import { makeOnnxModel } from './onnx-model.mjs'

/** @returns an engine as bench/race/child.mjs asks for */
export async function open({ folder, attention, threads }) {
  const session = await ort.InferenceSession.create(makeOnnxModel(folder, attention), {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'all',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    extra: { session: { intra_op: { allow_spinning: '1' } } },
  })
  return {
    name: `onnxruntime-node ${ort.env.versions.node}`,
    /** Texts of different lengths are padded to the longest, as the model needs. */
    async prepare({ ids }) {
      const length = Math.max(...ids.map((list) => list.length))
      const shape = [ids.length, length]
      const tensor = (type, Typed, valueAt) => {
        const values = new Typed(ids.length * length)
        ids.forEach((list, row) => {
          for (let i = 0; i < length; i++) values[row * length + i] = valueAt(list[i], i)
        })
        return new ort.Tensor(type, values, shape)
      }
      return {
        input_ids: tensor('int64', BigInt64Array, (id) => BigInt(id ?? 1)),
        // XLM-RoBERTa counts positions from 2, and padding is 1
        position_ids: tensor('int64', BigInt64Array, (id, i) =>
          BigInt(id === undefined ? 1 : i + 2),
        ),
        mask: tensor('int32', Int32Array, (id) => (id === undefined ? 0 : 1)),
      }
    },
    async embed(feeds) {
      const { cls } = await session.run(feeds)
      return cls.data
    },
    close: () => session.release(),
  }
}
