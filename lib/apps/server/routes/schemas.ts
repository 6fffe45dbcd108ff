/** JSON schemas that several routes use. `description` is also what a validation error says. */

export const textOrTexts = {
  description: 'a text, or an array of texts',
  anyOf: [{ type: 'string' }, { type: 'array', minItems: 1, items: { type: 'string' } }],
}

export const numbers = { type: 'array', items: { type: 'number' } }

/** A vector in either of its forms. */
export const vector = {
  anyOf: [numbers, { type: 'string', description: 'base64 of little-endian float32' }],
}

export const outputs = {
  type: 'object',
  description: 'an object of dense, sparse and colbert, each true or false',
  additionalProperties: false,
  properties: {
    dense: { type: 'boolean' },
    sparse: { type: 'boolean' },
    colbert: { type: 'boolean' },
  },
}

export const truncate = {
  type: 'boolean',
  description: 'true to cut the end off a text that is too long, instead of refusing it',
}

export const token = {
  type: 'object',
  properties: {
    id: { type: 'integer' },
    piece: { type: 'string', description: 'U+2581 stands for a space in front' },
    text: { type: 'string' },
    special: { type: 'boolean' },
    start: {
      type: 'integer',
      description: 'UTF-16 units; absent where the tokenizer rewrote the text',
    },
    end: { type: 'integer' },
  },
}

export const weight = {
  type: 'object',
  properties: {
    index: { type: 'integer', description: 'token id' },
    token: { type: 'string' },
    weight: { type: 'number' },
  },
}

/** OpenAI's error body, which is ours, too. */
export const openaiError = {
  type: 'object',
  description: 'An error',
  properties: {
    error: {
      type: 'object',
      properties: {
        message: { type: 'string' },
        type: { type: 'string' },
        param: { type: 'string', nullable: true },
        code: { type: 'string', nullable: true },
      },
    },
  },
}

export const teiError = {
  type: 'object',
  description: 'An error',
  properties: {
    error: { type: 'string' },
    error_type: {
      type: 'string',
      enum: ['Unhealthy', 'Backend', 'Overloaded', 'Validation', 'Tokenizer', 'Empty'],
    },
  },
}

/** A route's responses: what it answers, and the errors in its style. */
export function responses(ok: object, error: object = openaiError): Record<string, object> {
  return { 200: { description: 'OK', ...ok }, '4xx': error, '5xx': error }
}

/** A body: an object with these members and, where `closed`, no others. */
export function body(
  required: readonly string[],
  properties: Record<string, object>,
  { closed = false }: { closed?: boolean } = {},
): object {
  return {
    type: 'object',
    description: 'a JSON object',
    required,
    properties,
    ...(closed && { additionalProperties: false }),
  }
}
