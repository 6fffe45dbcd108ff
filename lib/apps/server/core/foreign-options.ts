/**
 * Options of other servers that would have changed a result there and do nothing here. They are named, or
 * refused where an answer has no place for it; never dropped in silence.
 */

const CHANGE_THE_RESULT = [
  'dimensions',
  'embd_normalize',
  'embedding_type',
  'embedding_types',
  'input_type',
  'instruction',
  'instruct',
  'late_chunking',
  'max_chunks_per_doc',
  'max_tokens_per_doc',
  'normalize',
  'normalized',
  'options',
  'output_dimension',
  'output_dtype',
  'pooling',
  'prompt',
  'prompt_name',
  'rank_fields',
  'task',
  'truncate',
  'truncate_prompt_tokens',
  'truncation',
  'truncation_direction',
]

/**
 * Names in `body`, from the list above alone, that are set and not among `known`.
 *
 * @param known the endpoint's members
 */
export function foreignOptions(body: unknown, known: object): string[] {
  if (typeof body !== 'object' || body === null) return []
  const members = body as Record<string, unknown>
  return CHANGE_THE_RESULT.filter(
    (name) => !(name in known) && members[name] !== undefined && members[name] !== null,
  )
}
