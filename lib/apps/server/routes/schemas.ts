/** JSON schemas that several routes use. `description` is also what a validation error says. */

export const textOrTexts = {
  description: 'a text, or an array of texts',
  anyOf: [{ type: 'string' }, { type: 'array', minItems: 1, items: { type: 'string' } }],
}

export const text = { type: 'string', description: 'a text' }

export const texts = { type: 'array', description: 'an array of texts', items: text }

const ids = {
  type: 'array',
  minItems: 1,
  items: { type: 'integer', minimum: 0, maximum: 2 ** 31 - 1 },
}

/** Of a text. Not `minLength`, for which Ajv counts every character of every text. */
const notEmpty = { not: { enum: [''] } }

/**
 * Texts or token ids: one, or an array of them in any mixture.
 *
 * @param minLength of a text
 */
export const inputs = (minLength: 0 | 1) => {
  const some = minLength > 0 ? { type: 'string', ...notEmpty } : { type: 'string' }
  return {
    description: `a text, an array of texts, an array of token ids, or an array of such arrays${minLength > 0 ? '; none of them empty' : ''}`,
    anyOf: [
      some,
      { type: 'array', minItems: minLength, items: some },
      ids,
      { type: 'array', minItems: 1, items: { anyOf: [some, ids] } },
    ],
  }
}

/** A member that may be left out, or null. */
export const flag = { type: 'boolean', nullable: true, description: 'true or false' }

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

export const truncationDirection = {
  type: 'string',
  enum: ['right', 'Right', null],
  nullable: true,
  description: 'right: the end is what is cut off',
}

export const promptName = {
  type: 'string',
  nullable: true,
  description: 'query, passage, or the name of another prompt of the model',
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

export const ollamaError = {
  type: 'object',
  description: 'An error',
  properties: { error: { type: 'string' } },
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
