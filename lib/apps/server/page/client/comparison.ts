/** Asks the server for a comparison, and puts its answer into the page's terms. */
import type { WireMatch, WireSimilarityResponse, WireToken, WireWeight } from '../../core/wire.js'
import { post } from './api.js'
import type { Answer, Comparison, Token } from './types.js'

export interface Texts {
  query: string
  /** With the numbers that the form gives them. */
  passages: readonly { number: number; text: string }[]
  /** Whether what is too long is cut; else it is an error. */
  truncate: boolean
}

/**
 * @throws ApiError; the signal's reason
 */
export async function compare(
  { query, passages, truncate }: Texts,
  signal: AbortSignal,
): Promise<Comparison> {
  const body = {
    query,
    passages: passages.map(({ text }) => text),
    truncate,
    tokens: true,
    alignment: true,
    matrix: true,
  }
  const started = performance.now()
  const answer = (await post('similarity', body, signal)) as WireSimilarityResponse
  const milliseconds = performance.now() - started
  const asked = tokensOf(answer.query)
  return {
    query: asked,
    queryTruncated: answer.query.truncated,
    passages: answer.passages.map((passage) => ({
      number: (passages[passage.index] as { number: number }).number,
      tokens: tokensOf(passage),
      truncated: passage.truncated,
      scores: passage.scores,
      answers: passage.alignment && answersOf(passage.alignment, asked.length),
    })),
    similarities: answer.matrix ?? [],
    milliseconds,
  }
}

function tokensOf(side: { tokens?: WireToken[]; sparse?: WireWeight[] }): Token[] {
  const weights = side.sparse && new Map(side.sparse.map(({ index, weight }) => [index, weight]))
  return (side.tokens ?? []).map(({ id, piece, text, special }) => ({
    id,
    text: special ? piece : text,
    special,
    weight: special || !weights ? undefined : (weights.get(id) ?? 0),
  }))
}

function answersOf(alignment: readonly WireMatch[], length: number): (Answer | undefined)[] {
  const answers = new Array<Answer | undefined>(length).fill(undefined)
  for (const { query, passage, similarity } of alignment) {
    answers[query] = { token: passage, similarity }
  }
  return answers
}
