/** Texts to tokens and back, in the forms of TEI (`inputs`, `ids`), llama-server (`content`, `tokens`) and ours. */

import type { FastifyInstance } from 'fastify'
import { throwIfAborted } from '../../../common/abort.js'
import type { PlacedToken } from '../../../common/types.js'
import type { ServerContext } from '../core/context.js'
import { HttpError } from '../core/errors.js'
import { checkInputs } from '../core/inputs.js'
import { workOf } from '../core/request-work.js'
import { listOf, sendJson } from './json.js'
import { modelName } from './model-name.js'
import * as schemas from './schemas.js'
import { wireToken } from './tokens.js'

interface TokenizeBody {
  inputs?: string | string[]
  /** TEI's. Default: true. */
  add_special_tokens?: boolean | null
  /** llama-server's. */
  content?: string
  /** Default: false. */
  add_special?: boolean | null
  with_pieces?: boolean | null
}

interface DecodeBody {
  ids?: number[] | number[][]
  skip_special_tokens?: boolean | null
}

const tags = ['Tokens']
const { flag } = schemas
const idList = { type: 'array', items: { type: 'integer', minimum: 0 } }
const responses = (ok: object) => schemas.responses(ok, schemas.teiError)

const tokenize = {
  summary: 'Token ids and where they stand in the text',
  description: 'With `inputs` as TEI, places in bytes of UTF-8; with `content` as llama-server.',
  tags,
  body: schemas.body([], {
    inputs: schemas.textOrTexts,
    add_special_tokens: flag,
    content: schemas.text,
    add_special: flag,
    with_pieces: flag,
  }),
  response: responses({ description: 'TEI’s list of lists of tokens, or {"tokens"}' }),
}

const ours = {
  summary: 'Tokens with their pieces, and places in UTF-16 units',
  tags,
  body: schemas.body(['inputs'], { inputs: schemas.textOrTexts }, { closed: true }),
  response: schemas.responses({
    type: 'object',
    properties: {
      model: { type: 'string' },
      tokens: { type: 'array', items: { type: 'array', items: schemas.token } },
    },
  }),
}

const decode = {
  summary: 'Texts of token ids',
  tags,
  body: schemas.body(['ids'], {
    ids: {
      description: 'an array of token ids, or an array of such arrays',
      anyOf: [idList, { type: 'array', items: idList }],
    },
    skip_special_tokens: flag,
  }),
  response: responses({ type: 'array', items: { type: 'string' } }),
}

const detokenize = {
  summary: 'The text of token ids, as llama-server gives it',
  tags,
  body: schemas.body(['tokens'], { tokens: { ...idList, description: 'an array of token ids' } }),
  response: schemas.responses({ type: 'object', properties: { content: { type: 'string' } } }),
}

export function tokenizeRoutes(app: FastifyInstance, context: ServerContext): void {
  const tei = { work: true, errors: 'tei' } as const

  app.post<{ Body: TokenizeBody }>(
    '/tokenize',
    { schema: tokenize, config: tei },
    async (request, reply) => {
      const { inputs, add_special_tokens, content, add_special, with_pieces } = request.body
      const work = workOf(request)
      const send = (text: Iterable<string>) => sendJson(reply, text, () => work.renewDeadline())
      if (inputs === undefined && content !== undefined) {
        const [tokens = []] = await describe(context, [content], work.signal)
        const kept = add_special ? tokens : tokens.slice(1, -1)
        const shown = jsonOf(kept, ({ id, piece }) => (with_pieces ? { id, piece } : id))
        return send(enclosed('{"tokens":', shown))
      }
      if (inputs === undefined) {
        throw new HttpError(400, 'missing_field', "'inputs' is required.", { param: 'inputs' })
      }
      const texts = typeof inputs === 'string' ? [inputs] : inputs
      const described = await describe(context, texts, work.signal)
      const lists = described.map((tokens, i) => {
        const kept = add_special_tokens === false ? tokens.slice(1, -1) : tokens
        return jsonOf(kept, asTei(texts[i] as string))
      })
      return send(listOf(lists))
    },
  )

  app.post<{ Body: { inputs: string | string[] } }>(
    '/v1/tokenize',
    { schema: ours, config: { work: true, param: 'inputs' } },
    async (request, reply) => {
      const { inputs } = request.body
      const work = workOf(request)
      const texts = typeof inputs === 'string' ? [inputs] : inputs
      const described = await describe(context, texts, work.signal)
      const lists = listOf(described.map((tokens) => jsonOf(tokens, wireToken)))
      const head = `{"model":${JSON.stringify(modelName(context))},"tokens":`
      return sendJson(reply, enclosed(head, lists), () => work.renewDeadline())
    },
  )

  app.post<{ Body: DecodeBody }>('/decode', { schema: decode, config: tei }, async (request) => {
    const { ids = [], skip_special_tokens } = request.body
    const lists = (typeof ids[0] === 'number' || ids.length === 0 ? [ids] : ids) as number[][]
    return textsOf(context, lists, { param: 'ids', skipsSpecial: skip_special_tokens ?? true })
  })

  app.post<{ Body: { tokens: number[] } }>(
    '/detokenize',
    { schema: detokenize, config: { work: true, param: 'tokens' } },
    async (request) => {
      const { tokens } = request.body
      const [content] = await textsOf(context, [tokens], { param: 'tokens', skipsSpecial: true })
      return { content }
    },
  )
}

async function describe(
  context: ServerContext,
  texts: readonly string[],
  signal: AbortSignal,
): Promise<PlacedToken[][]> {
  if (texts.length === 0) {
    throw new HttpError(400, 'empty', "'inputs' must not be empty.", { param: 'inputs' })
  }
  // a text that is too long for the model is tokenized all the same: here it counts as a whole
  await checkInputs(context, { texts }, 'inputs', context.config.maxRequestTokens + 1)
  context.metrics.items(texts.length)
  const described: PlacedToken[][] = []
  for (const text of texts) {
    described.push((await context.embedder.tokenize(text, { pieces: true })).pieces)
    throwIfAborted(signal)
  }
  return described
}

/** Tokens whose text is made at a time. */
const SOME = 256

/** A list of what is shown of each token, some at a time. */
function* jsonOf<T>(tokens: readonly T[], shown: (token: T) => unknown): Generator<string> {
  yield '['
  for (let from = 0; from < tokens.length; from += SOME) {
    const some = JSON.stringify(tokens.slice(from, from + SOME).map(shown)).slice(1, -1)
    yield from > 0 ? `,${some}` : some
  }
  yield ']'
}

function* enclosed(head: string, text: Iterable<string>): Generator<string> {
  yield head
  yield* text
  yield '}'
}

/**
 * TEI's tokens: `text` is what stands there, and places are bytes of UTF-8 (its `into_tokens`, core/src/tokenization.rs);
 * special tokens have none. A space alone takes the place of the character behind it, as in Hugging Face's library.
 *
 * @returns what is to be called with the tokens in their order
 */
function asTei(text: string): (token: PlacedToken) => object {
  const offset = byteOffsets(text)
  return ({ id, piece, special, start, end }) => {
    if (special) return { id, text: piece, special, start: null, stop: null }
    const width = (text.codePointAt(start) ?? 0) > 0xffff ? 2 : 1
    const stop = start === end ? Math.min(text.length, start + width) : end
    return { id, text: text.slice(start, stop), special, start: offset(start), stop: offset(stop) }
  }
}

async function textsOf(
  context: ServerContext,
  lists: readonly (readonly number[])[],
  { param, skipsSpecial }: { param: string; skipsSpecial: boolean },
): Promise<string[]> {
  await checkInputs(context, { ids: lists }, param)
  return Promise.all(
    lists.map((ids) => context.embedder.decode(ids, { specialTokens: !skipsSpecial })),
  )
}

/** UTF-16 positions, which hardly ever go back, as counts of UTF-8 bytes. */
function byteOffsets(text: string): (position: number) => number {
  let at = 0
  let bytes = 0
  return (position) => {
    if (position < at) bytes -= Buffer.byteLength(text.slice(position, at))
    else bytes += Buffer.byteLength(text.slice(at, position))
    at = position
    return bytes
  }
}
