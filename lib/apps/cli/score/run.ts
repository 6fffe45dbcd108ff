/** `bge-m3 score`: a query against passages in every mode the model has. */

import { EmbedderError } from '../../../common/errors.js'
import type { Embedding, EmbedOptions, Settled } from '../../../common/types.js'
import {
  computeScore,
  DEFAULT_WEIGHTS,
  SCORE_MODES,
  type Scores,
  type ScoreWeights,
} from '../../../scoring/hybrid.js'
import { EXIT } from '../shared/errors.js'
import { type CliIo, say } from '../shared/io.js'
import { type Flags, optionValues } from '../shared/options.js'
import { present } from '../shared/present.js'
import { renamed } from '../shared/renamed.js'
import { Sink } from '../shared/sink.js'
import { table } from '../shared/table.js'
import { withEmbedder } from '../shared/watch.js'
import { parseWeights } from '../shared/weights.js'

type Scored = { index: number } & (Partial<Scores> | { error: { code: string; message: string } })

/** @param args the query and the passages */
export async function runScore(io: CliIo, args: readonly string[], flags: Flags): Promise<number> {
  const values = optionValues(flags, io.env)
  const { json = false, weights: text } = flags as { json?: boolean; weights?: string }
  const weights = text === undefined ? DEFAULT_WEIGHTS : parseWeights(text)
  return withEmbedder(io, { command: 'score', flags, values }, async (embedder) => {
    const { outputs, model } = embedder.info
    const options: Omit<EmbedOptions, 'precision' | 'onError'> = {
      ...present({ maxTokens: values.maxTokens, truncate: values.truncate }),
      outputs,
      signal: io.signal,
    }
    const [question = '', ...texts] = args
    const [queries, passages] = await Promise.all([
      embedder.embed([question], { ...options, prompt: 'query', onError: 'collect' }),
      embedder.embed(texts, { ...options, prompt: 'passage', onError: 'collect' }),
    ])
    const [query] = queries as [Settled<Embedding>]
    if (query instanceof EmbedderError) throw renamed(query, 'query')
    const scores = passages.map((passage, index) => scored(query, passage, index, weights))
    const hasHeads = outputs.sparse && outputs.colbert
    if (!hasHeads && text !== undefined) {
      say(
        io,
        'note: this model has no heads, so it scores dense only and the weights count for nothing.',
      )
    }
    const sink = Sink.stdout(io)
    await sink.write(
      json ? `${JSON.stringify({ model, weights, scores })}\n` : scoreTable(scores, args),
    )
    return scores.some((score) => 'error' in score) ? EXIT.failed : EXIT.done
  })
}

function scored(
  query: Embedding,
  passage: Settled<Embedding>,
  index: number,
  weights: ScoreWeights,
): Scored {
  if (passage instanceof EmbedderError) {
    const { code, message } = renamed(passage, `passage at index ${index}`)
    return { index, error: { code, message } }
  }
  return { index, ...computeScore(query, passage, { weights }) }
}

const PASSAGE_WIDTH = 40

function scoreTable(scores: readonly Scored[], args: readonly string[]): string {
  const modes = SCORE_MODES.filter((mode) => scores.some((score) => mode in score))
  const rows = scores.map((score) => {
    if ('error' in score) return [...modes.map(() => '-'), score.error.message]
    const numbers = modes.map((mode) => (score[mode] as number).toFixed(4))
    return [...numbers, shortened(args[score.index + 1] as string)]
  })
  return table(
    [[...modes, 'passage'], ...rows],
    modes.map((_, i) => i),
  )
}

/** Enough of a text to tell which it is, on one line. */
function shortened(text: string): string {
  const line = text.replace(/\p{C}|\s/gu, ' ')
  const characters = Array.from(line)
  if (characters.length <= PASSAGE_WIDTH) return line
  return `${characters.slice(0, PASSAGE_WIDTH - 3).join('')}...`
}
