/** TEI's form of `POST /embed_all`: the last hidden state of every token, special ones included, without a pooling. */

import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ServerContext } from '../core/context.js'
import { type GivenInputs, teiInputs, truncation } from '../core/inputs.js'
import { workOf } from '../core/request-work.js'
import { listOf, rowsToJson, sendJson } from './json.js'

export interface TokenStatesBody {
  inputs: GivenInputs
  truncate?: boolean | null
  /** Only TEI's default: the end is what is cut off. */
  truncation_direction?: string | null
  prompt_name?: string | null
}

/** Answers `number[][][]`: inputs, tokens, dimensions. */
export async function sendTokenStates(
  context: ServerContext,
  request: FastifyRequest<{ Body: TokenStatesBody }>,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { inputs, truncate, prompt_name } = request.body
  const work = workOf(request)
  const found = await work.states(await teiInputs(context, inputs), {
    truncate: truncation(truncate),
    prompt: prompt_name ?? undefined,
  })
  reply.headers(work.teiHeaders())
  const text = listOf(found.map(({ states }) => rowsToJson(states)))
  return sendJson(reply, text, () => work.renewDeadline())
}
