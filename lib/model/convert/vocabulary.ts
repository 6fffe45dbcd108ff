/**
 * An XLM-RoBERTa vocabulary as GGUF keys. Keys and their order follow llama.cpp v0.5.0's
 * `_xlmroberta_set_vocab` (`conversion/bert.py`).
 */

import { entry, type GgufEntry, StringArray } from '../formats/gguf/values.js'

/** Score of ids that stand for nothing, as llama.cpp's converter gives it. */
export const UNUSED_SCORE = -10_000

/** A unigram vocabulary in the model's own ids. */
export interface Vocabulary {
  /** The file it was read from. */
  source: string
  tokens: (string | Uint8Array)[]
  scores: Float32Array
  /** `PieceType`s: GGUF's token types. */
  types: Int32Array
  charsmap: Uint8Array
  /** Id of `<mask>`, if there is one. */
  mask: number | undefined
  addSpacePrefix: boolean
  removeExtraWhitespaces: boolean
}

export function vocabularyEntries(vocabulary: Vocabulary, tokenTypes: number): GgufEntry[] {
  const { tokens, scores, types, charsmap, mask } = vocabulary
  const key = (name: string) => `tokenizer.ggml.${name}`
  return [
    entry.string(key('model'), 't5'),
    entry.string(key('pre'), 'default'),
    entry.strings(key('tokens'), StringArray.from(tokens)),
    entry.numbers(key('scores'), scores),
    entry.numbers(key('token_type'), types),
    entry.bool(key('add_space_prefix'), vocabulary.addSpacePrefix),
    entry.uint32(key('token_type_count'), tokenTypes),
    entry.bool(key('remove_extra_whitespaces'), vocabulary.removeExtraWhitespaces),
    ...(charsmap.length > 0 ? [entry.numbers(key('precompiled_charsmap'), charsmap)] : []),
    entry.uint32(key('bos_token_id'), 0),
    entry.uint32(key('eos_token_id'), 2),
    entry.uint32(key('unknown_token_id'), 3),
    entry.uint32(key('seperator_token_id'), 2), // sic, in GGUF
    entry.uint32(key('padding_token_id'), 1),
    entry.uint32(key('cls_token_id'), 0),
    ...(mask === undefined ? [] : [entry.uint32(key('mask_token_id'), mask)]),
    entry.bool(key('add_bos_token'), true),
    entry.bool(key('add_eos_token'), true),
  ]
}
