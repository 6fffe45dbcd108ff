/** Pairs beside FlagEmbedding's `FlagReranker` and sentence-transformers' `CrossEncoder`: see test/fixtures/rerank. */
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tokenizePairs } from '../../../lib/embedder/rerank/pairs.js'
import { type PairTruncation, Reranker } from '../../../lib/index.js'
import { loadAddon } from '../../../lib/native/load.js'
import { referenceOutputs } from '../../helpers/reference.js'
import {
  type Golden,
  type GoldenPair,
  golden,
  type RerankKind,
  rerankerPath,
  writeRerankCheckpoint,
} from '../../helpers/rerank-checkpoint.js'

const LIMIT = 512

/** Type 1's tokens, by the runs [type, count] of the golden file. */
function firstOf(types: readonly [number, number][]): number {
  expect(types.map(([type]) => type)).toEqual([0, 1])
  return types[0]?.[1] as number
}

/** @param within the largest error of a logit */
export function agreesWithGolden(
  family: 'xlmr' | 'bert',
  kind: RerankKind,
  within: number,
  type: 'f32' | 'q8_0' = 'f32',
): void {
  describe(`${kind} in ${type}`, () => {
    let gold: Golden
    let reranker: Reranker
    beforeAll(async () => {
      gold = await golden(family)
      reranker = await Reranker.load({ model: await rerankerPath(kind, type) })
    })
    afterAll(() => reranker.dispose())
    const pairs = () => gold.developers
    const isTiny = kind.endsWith('-tiny')

    it.runIf(type === 'f32')('is made of the same bits', async () => {
      const directory = await mkdtemp(join(tmpdir(), 'rerank-bits-'))
      try {
        await writeRerankCheckpoint(kind, directory)
        const bytes = await readFile(join(directory, 'model.safetensors'))
        const sha256 = createHash('sha256').update(bytes).digest('hex')
        expect(sha256).toBe(gold.make['sha256 of model.safetensors'][kind])
      } finally {
        await rm(directory, { recursive: true })
      }
    })

    const scores = async (truncate: PairTruncation) => {
      const found: number[] = []
      for (const { query, document } of pairs()) {
        const [one] = await reranker.rerank(query, [document], { maxTokens: LIMIT, truncate })
        found.push(one?.score as number)
      }
      return found
    }
    const worst = (found: readonly number[], expected: (pair: GoldenPair) => number) => {
      const errors = pairs().map((pair, i) => Math.abs((found[i] as number) - expected(pair)))
      console.info(`${kind} in ${type}: largest error of a logit ${Math.max(...errors)}`)
      return Math.max(...errors)
    }

    it.runIf(type === 'f32')(
      "is the model that they ran: float64 of the same file gives FlagReranker's logits",
      async () => {
        const ids = pairs().map((pair) => pair.ids)
        const firsts = pairs().map(({ ids, types }) => (types ? firstOf(types) : ids.length))
        const found = await referenceOutputs(await rerankerPath(kind), ids, { firsts })
        const scores = found.map(({ score }) => score)
        expect(worst(scores, (pair) => (isTiny ? pair.tiny.score : pair.score))).toBeLessThan(1e-4)
      },
    )

    it('gives the logits of FlagReranker', async () => {
      const found = await scores('document')
      expect(worst(found, (pair) => (isTiny ? pair.tiny.score : pair.score))).toBeLessThan(within)
    })

    it('gives the logits of CrossEncoder', async () => {
      const found = await scores('longest')
      expect(worst(found, (pair) => (isTiny ? pair.tiny.ce : pair.ce.logit))).toBeLessThan(within)
    })

    it("gives the order of CrossEncoder's rank", async () => {
      const { query, documents, result } = gold.rank
      if (isTiny || type !== 'f32') return // near-ties are as they fall; and tiny's was not recorded
      const byId = new Map(pairs().map((pair) => [pair.id, pair]))
      const kept = [...documents.keys()].filter((i) => byId.has(documents[i] as number))
      const texts = kept.map((i) => (byId.get(documents[i] as number) as GoldenPair).document)
      const found = await reranker.rerank((byId.get(query) as GoldenPair).query, texts, {
        maxTokens: LIMIT,
        truncate: 'longest',
      })
      const expected = result.map(({ corpus_id }) => kept.indexOf(corpus_id))
      expect(texts.length).toBeGreaterThan(9)
      expect(found.map(({ index }) => index)).toEqual(expected.filter((i) => i >= 0))
    })
  })
}

export function tokenizesAsGolden(family: 'xlmr' | 'bert'): void {
  describe(`pairs of ${family}`, () => {
    it.each(['document', 'longest'] as const)(
      'cut by %s have the ids and types',
      async (truncate) => {
        const { developers } = await golden(family)
        const tokenizer = await loadAddon().loadTokenizer(await rerankerPath(`${family}-tiny`))
        const limit = { maxTokens: LIMIT, truncate, signal: undefined }
        for (const { what, query, document, ids, types, ce } of developers) {
          const [pair] = await tokenizePairs({ tokenizer }, query, [document], limit)
          const wanted = truncate === 'longest' ? (ce.ids ?? ids) : ids
          expect(pair, what).toMatchObject({ ids: Int32Array.from(wanted) })
          const runs = truncate === 'longest' ? (ce.types ?? types) : types
          if (runs) expect(pair, what).toMatchObject({ first: firstOf(runs) })
        }
        await tokenizer.release()
      },
    )
  })
}
