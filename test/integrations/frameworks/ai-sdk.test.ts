import { embed, embedMany } from 'ai'
import { embed as embed6, embedMany as embedMany6 } from 'ai6'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Embedder } from '../../../lib/embedder/embedder.js'
import { embeddingModel } from '../../../lib/integrations/frameworks/ai-sdk.js'
import { tinyPath } from '../../helpers/standins.js'
import { mixedTexts } from '../../helpers/texts.js'

let embedder: Embedder
beforeAll(async () => {
  embedder = await Embedder.load({ model: await tinyPath(), cache: false })
})
afterAll(() => embedder.dispose())

const versions = {
  'ai 7': {
    embedMany: (values: string[], abortSignal?: AbortSignal) =>
      embedMany({
        model: embeddingModel(embedder),
        values,
        maxRetries: 0,
        ...(abortSignal && { abortSignal }),
      }),
    embed: (value: string) => embed({ model: embeddingModel(embedder), value }),
  },
  'ai 6': {
    embedMany: (values: string[], abortSignal?: AbortSignal) =>
      embedMany6({
        model: embeddingModel(embedder),
        values,
        maxRetries: 0,
        ...(abortSignal && { abortSignal }),
      }),
    embed: (value: string) => embed6({ model: embeddingModel(embedder), value }),
  },
}

describe.each(Object.entries(versions))('%s', (_name, sdk) => {
  it('embeds many, more than go into one call, in order', async () => {
    // distinct ones: the last thousand are not the first again
    const values = Array.from({ length: 1500 }, (_, i) => `text number ${i}`)
    const { embeddings, usage } = await sdk.embedMany(values)
    const plain = await embedder.embed(values)
    expect(embeddings).toEqual(plain.map(({ dense }) => Array.from(dense as Float32Array)))
    expect(usage.tokens).toBe(plain.reduce((sum, { tokenCount }) => sum + tokenCount, 0))
  })

  it('embeds one', async () => {
    const [text] = mixedTexts(1)
    const { embedding, usage } = await sdk.embed(text as string)
    const { dense, tokenCount } = await embedder.embed(text as string)
    expect(embedding).toEqual(Array.from(dense as Float32Array))
    expect(usage.tokens).toBe(tokenCount)
  })

  it('stops on an abort', async () => {
    const controller = new AbortController()
    controller.abort(new Error('enough'))
    await expect(sdk.embedMany(mixedTexts(50), controller.signal)).rejects.toThrow('enough')
  })

  it('hands on our errors', async () => {
    await expect(sdk.embedMany(['fine', 'word '.repeat(9000)])).rejects.toMatchObject({
      code: 'BATCH',
    })
  })
})

it('cuts to the dimensions that a call asks for', async () => {
  const { embeddings } = await embeddingModel(embedder).doEmbed({ values: ['a'], dimensions: 16 })
  const { dense } = await embedder.embed('a', { dimensions: 16 })
  expect(embeddings[0]).toEqual(Array.from(dense as Float32Array))
})
