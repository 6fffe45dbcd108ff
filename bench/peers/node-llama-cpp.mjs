// node-llama-cpp with the same GGUF. It has no batches: texts go one after the other, which is how it
// queues them itself.
import { getLlama, LlamaLogLevel } from 'node-llama-cpp'

/** @returns an engine as bench/race/child.mjs asks for */
export async function open({ model: modelPath, threads, longest }) {
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    logLevel: LlamaLogLevel.error,
    maxThreads: threads,
  })
  const model = await llama.loadModel({ modelPath, defaultContextFlashAttention: true })
  // a batch as long as the longest text, or the text would be cut without a word
  const context = await model.createEmbeddingContext({
    contextSize: longest,
    batchSize: longest,
    threads,
  })
  return {
    name: 'node-llama-cpp 3.22.1',
    prepare: ({ texts }) => texts,
    async embed(texts) {
      let last
      for (const text of texts) last = (await context.getEmbeddingFor(text)).vector
      return last
    },
    async close() {
      await context.dispose()
      await llama.dispose()
    },
  }
}
