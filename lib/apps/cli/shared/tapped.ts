/** An embedder whose results somebody hears as they come: for counts, and nothing that changes them. */

import { BatchError, EmbedderError } from '../../../common/errors.js'
import type { Embedding, Settled } from '../../../common/types.js'
import type { Embedder } from '../../../embedder/embedder.js'

/** @param hear gets each text's result of `embed` and `embedStream`, before the caller */
export function tapped(embedder: Embedder, hear: (result: Settled<Embedding>) => void): Embedder {
  const hearAll = (results: readonly unknown[]) => {
    for (const result of results) if (result !== undefined) hear(result as Settled<Embedding>)
  }
  const own: Record<string | symbol, unknown> = {
    async embed(...given: Parameters<Embedder['embed']>) {
      try {
        const result = await embedder.embed(...given)
        hearAll(Array.isArray(result) ? result : [result])
        return result
      } catch (error) {
        if (error instanceof BatchError) {
          hearAll([...error.results, ...error.failures.map((failure) => failure.error)])
        } else if (error instanceof EmbedderError) hear(error)
        throw error
      }
    },
    async *embedStream(...given: Parameters<Embedder['embedStream']>) {
      for await (const item of embedder.embedStream(...given)) {
        hear('error' in item ? (item.error as EmbedderError) : (item.embedding as Embedding))
        yield item
      }
    },
  }
  return new Proxy(embedder, {
    get(target, name) {
      if (Object.hasOwn(own, name)) return own[name]
      const value = Reflect.get(target, name, target)
      // private members are the embedder's own, not the proxy's
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
