// What is embedded in a race: real text (XQuAD in four languages), cut to exact numbers of tokens.
import { Embedder } from 'bge-m3-node'
import { chunkOfTokens, loadParagraphs } from '../node/texts.mjs'

/** Shapes for all engines, and those that only we are asked for. */
export const SHAPES = [
  { texts: 1, tokens: 512, peers: true },
  { texts: 8, tokens: 128, peers: true },
  { texts: 32, tokens: 16, peers: true },
  { texts: 1, tokens: 16, peers: true },
  { texts: 1, tokens: 2048 },
  { texts: 1, tokens: 8192 },
  // paragraphs as they are
  { texts: 24, tokens: undefined },
]

/**
 * @returns for each shape its name, `texts`, their token `ids`, and `tokens` in all
 */
export async function makeInputs(model, shapes) {
  const m3 = await Embedder.load({ model, cache: false, threads: 1 })
  const paragraphs = loadParagraphs()
  const inputs = []
  for (const { texts: count, tokens, peers = false } of shapes) {
    const texts = tokens
      ? await chunkOfTokens(m3, paragraphs, tokens, count)
      : paragraphs.slice(0, count)
    const ids = []
    for (const text of texts) ids.push([...(await m3.tokenize(text)).ids])
    inputs.push({
      shape: tokens ? `${count}x${tokens}` : `${count} paragraphs`,
      peers,
      texts,
      ids,
      tokens: ids.reduce((sum, list) => sum + list.length, 0),
    })
  }
  await m3.dispose()
  return inputs
}
