/** TEI's `POST /predict`: a classifier's scores of texts and of pairs of texts. */

import type { FastifyInstance } from 'fastify'
import type { ClassifierInput } from '../../../embedder/rerank/types.js'
import { sigmoid } from '../../../scoring/sigmoid.js'
import type { ServerContext } from '../core/context.js'
import { HttpError, ofPair } from '../core/errors.js'
import { workOf } from '../core/request-work.js'
import { countChecked, cut } from './rankers.js'
import * as schemas from './schemas.js'

/** A text alone or a pair of texts. */
type Sequence = [text: string] | [first: string, second: string]

interface PredictBody {
  /** One (a text by itself, too), or an array of such. */
  inputs: string | Sequence | Sequence[]
  truncate?: boolean | null
  raw_scores?: boolean | null
}

/** The one label of a re-ranker, as transformers calls it where nobody named it. */
export const LABEL = 'LABEL_0'

const sequence = { type: 'array', minItems: 1, maxItems: 2, items: { type: 'string' } }

const schema = {
  summary: 'Scores of texts and of pairs of texts by the re-ranker',
  description:
    'With --rerank-model: its one label’s score, 0 to 1 (a sigmoid) unless `raw_scores`. Else 424: a model that embeds is no classifier.',
  tags: ['text-embeddings-inference'],
  body: schemas.body(['inputs'], {
    inputs: {
      description: 'a text, a pair of texts, or an array of arrays of one or two texts',
      anyOf: [{ type: 'string' }, sequence, { type: 'array', minItems: 1, items: sequence }],
    },
    truncate: schemas.flag,
    truncation_direction: schemas.truncationDirection,
    raw_scores: schemas.flag,
  }),
  response: schemas.responses(
    {
      type: 'array',
      description: '[{score, label}] of one, a list of such lists of several',
      items: {},
    },
    schemas.teiError,
  ),
}

export function predictRoutes(app: FastifyInstance, context: ServerContext): void {
  app.post<{ Body: PredictBody }>(
    '/predict',
    { schema, config: { work: true, errors: 'tei' } },
    async (request) => {
      const { reranker } = context
      if (!reranker) {
        throw new HttpError(500, 'no_classifier', 'The model is no classifier: it embeds.')
      }
      const { inputs: given, truncate, raw_scores } = request.body
      const isBatch = typeof given !== 'string' && typeof given[0] !== 'string'
      const sequences = isBatch ? (given as Sequence[]) : [given as string | Sequence]
      const inputs = sequences.map((one) => (one.length === 1 ? one[0] : one) as ClassifierInput)
      const tokens = await countChecked(context, reranker, inputs, 'inputs')
      const scores = await workOf(request)
        .score(tokens, (signal) =>
          reranker.model.predict(inputs, { truncate: cut(context, truncate), signal }),
        )
        .catch((error: unknown) => {
          throw ofPair('inputs', error)
        })
      const found = scores.map((score) => [
        { score: raw_scores ? score : sigmoid(score), label: LABEL },
      ])
      return isBatch ? found : found[0]
    },
  )
}
