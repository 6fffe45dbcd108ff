/**
 * The vocabulary of an XLM-RoBERTa checkpoint as GGUF keys, from `sentencepiece.bpe.model` or from
 * `tokenizer.json`. Keys, their order and the special cases follow llama.cpp v0.5.0's
 * `_xlmroberta_set_vocab` (`conversion/bert.py`).
 */

import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ModelLoadError, ModelNotFoundError } from '../../errors.js'
import { entry, type GgufEntry, StringArray } from '../gguf/values.js'
import { openFile } from '../random-access.js'
import { PieceType, readSentencePiece, type SentencePieceModel } from '../sentencepiece.js'
import { readTokenizerJson, TOKENIZER_JSON } from './tokenizer-json.js'

export const SENTENCEPIECE_FILE = 'sentencepiece.bpe.model'

/** A unigram vocabulary in the model's own ids. */
export interface Vocabulary {
  /** The file it was read from. */
  source: string
  tokens: (string | Uint8Array)[]
  scores: Float32Array
  /** `PieceType`s: GGUF's token types. */
  types: Int32Array
  charsmap: Uint8Array
  addSpacePrefix: boolean
  removeExtraWhitespaces: boolean
}

/** Score of ids that stand for nothing, as llama.cpp's converter gives it. */
const UNUSED_SCORE = -10_000

/**
 * Reads the vocabulary of the checkpoint in `directory`, whose token table has `rows` rows.
 *
 * @throws ModelNotFoundError when neither file is there, ModelLoadError when it does not fit.
 */
export async function readVocabulary(directory: string, rows: number): Promise<Vocabulary> {
  if (await isFile(join(directory, SENTENCEPIECE_FILE))) {
    const source = await openFile(join(directory, SENTENCEPIECE_FILE))
    try {
      return fromSentencePiece(await readSentencePiece(source), rows)
    } finally {
      await source.close()
    }
  }
  if (await isFile(join(directory, TOKENIZER_JSON))) return readTokenizerJson(directory, rows)
  throw new ModelNotFoundError(
    `The checkpoint has neither ${SENTENCEPIECE_FILE} nor ${TOKENIZER_JSON}.`,
  )
}

/**
 * XLM-R's ids are fairseq's: four specials, then SentencePiece's pieces from its fourth on. So piece i
 * is id i + 1, `<mask>` comes after the last piece, and ids without a piece are filled as llama.cpp's
 * converter fills them: `[PADn]`, where n is the id less one.
 */
function fromSentencePiece(model: SentencePieceModel, rows: number): Vocabulary {
  const { pieces, scores, types } = model
  const names = pieces.slice(0, 3).map((piece) => new TextDecoder().decode(piece))
  if (names.join(' ') !== '<unk> <s> </s>' || types[0] !== PieceType.UNKNOWN) {
    throw new ModelLoadError(
      `${SENTENCEPIECE_FILE} does not begin with <unk>, <s> and </s>, as XLM-RoBERTa's does.`,
    )
  }
  if (pieces.length + 1 > rows) {
    throw new ModelLoadError(
      `${SENTENCEPIECE_FILE} has ${pieces.length} pieces, too many for ${rows} rows of the token table.`,
    )
  }
  const vocabulary = emptyVocabulary(SENTENCEPIECE_FILE, rows)
  for (let id = 4; id < rows; id++) {
    const piece = id - 1
    const known = piece < pieces.length
    vocabulary.tokens[id] = known ? (pieces[piece] as Uint8Array) : `[PAD${piece}]`
    vocabulary.scores[id] = known ? (scores[piece] as number) : UNUSED_SCORE
    vocabulary.types[id] = known ? (types[piece] as number) : PieceType.UNUSED
  }
  vocabulary.charsmap = model.charsmap
  vocabulary.addSpacePrefix = model.addDummyPrefix
  vocabulary.removeExtraWhitespaces = model.removeExtraWhitespaces
  return vocabulary
}

/** `rows` ids of which the first four are named. */
function emptyVocabulary(source: string, rows: number): Vocabulary {
  const types = new Int32Array(rows)
  types.set([PieceType.CONTROL, PieceType.CONTROL, PieceType.CONTROL, PieceType.UNKNOWN])
  return {
    source,
    tokens: ['<s>', '<pad>', '</s>', '<unk>'],
    scores: new Float32Array(rows),
    types,
    charsmap: new Uint8Array(0),
    addSpacePrefix: true,
    removeExtraWhitespaces: true,
  }
}

export function vocabularyEntries(vocabulary: Vocabulary, tokenTypes: number): GgufEntry[] {
  const { tokens, scores, types, charsmap } = vocabulary
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
    entry.uint32(key('mask_token_id'), tokens.length - 1),
    entry.bool(key('add_bos_token'), true),
    entry.bool(key('add_eos_token'), true),
  ]
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false
}
