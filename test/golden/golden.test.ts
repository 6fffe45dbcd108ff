/**
 * The real weights against FlagEmbedding's published numbers:
 *
 *     BGE_M3_MODEL=path/to/bge-m3-q8_0.gguf npm run test:golden
 *
 * The two `.pt` heads are taken from beside the model, or from test/fixtures/heads. Without real weights
 * these tests are skipped; BGE_M3_GOLDEN_FORCE=1 runs them on a stand-in, where they must fail.
 */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Embedder } from '../../lib/index.js'
import { inspectModel } from '../../lib/model/inspect.js'
import { findModel } from '../../lib/model/locations.js'
import { root } from '../helpers/child.js'
import { type Comparison, compareLexicalWeights, compareScores, failures } from './compare.js'

/** Why the tests cannot run; undefined when they can. */
async function obstacle(): Promise<string | undefined> {
  const named = process.env.BGE_M3_MODEL
  if (!named) return 'BGE_M3_MODEL is not set'
  if (process.env.BGE_M3_GOLDEN_FORCE === '1') return undefined
  const { standin } = await inspectModel(await findModel(named))
  return standin ? `${named} is a stand-in, with random weights` : undefined
}

const reason = await obstacle()
if (reason) {
  console.warn(
    `\n*** GOLDEN TESTS SKIPPED: ${reason}. ***\n` +
      '*** Nothing here was compared with FlagEmbedding. Run: ***\n' +
      '***   BGE_M3_MODEL=path/to/bge-m3-q8_0.gguf npm run test:golden ***\n',
  )
}

describe.skipIf(reason !== undefined)('bge-m3 against FlagEmbedding', () => {
  let m3: Embedder

  beforeAll(async () => {
    m3 = await Embedder.load()
    if (!m3.info.outputs.sparse || !m3.info.outputs.colbert) {
      await m3.dispose()
      m3 = await Embedder.load({ heads: join(root, 'test/fixtures/heads') })
    }
  })

  afterAll(() => m3?.dispose())

  function report(what: string, comparisons: readonly Comparison[]): void {
    const worst = Math.max(...comparisons.map((one) => Math.abs(one.found - one.expected)))
    console.info(`${what}: ${comparisons.length} numbers, largest difference ${worst.toFixed(5)}`)
    expect(failures(comparisons)).toEqual([])
  }

  it('gives the published lexical weights of every token', async () => {
    report('lexical weights', await compareLexicalWeights(m3))
  })

  it('gives the published scores of the README’s pairs', async () => {
    report('scores', await compareScores(m3))
  })
})
