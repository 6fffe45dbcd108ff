// This package, as a race sees it: text in, dense vectors out, no cache.
import { Embedder } from 'bge-m3-node'

/** @returns an engine as child.mjs asks for */
export async function open({ model, threads }) {
  const m3 = await Embedder.load({ model, threads, cache: false })
  // as of the other engines, what is measured later is a loaded one
  await m3.embed('warm')
  const { isa, quantization } = m3.info
  return {
    name: 'bge-m3-node',
    details: { isa, quantization },
    prepare: ({ texts }) => texts,
    async embed(texts) {
      const results = await m3.embed(texts)
      return results.at(-1).dense
    },
    close: () => m3.dispose(),
  }
}
