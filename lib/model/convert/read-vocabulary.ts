/**
 * The vocabulary of an XLM-RoBERTa checkpoint, from `sentencepiece.bpe.model` or from `tokenizer.json`.
 * The special cases follow llama.cpp v0.5.0's `_xlmroberta_set_vocab` (`conversion/bert.py`).
 */

import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { TextDecoder } from 'node:util'
import { ModelLoadError, ModelNotFoundError } from '../../common/errors.js'
import { openFile } from '../formats/random-access.js'
import { PieceType, readSentencePiece, type SentencePieceModel } from '../formats/sentencepiece.js'
import { asObject, readJson } from './json.js'
import { readTokenizerJson, TOKENIZER_JSON } from './tokenizer-json.js'
import { UNUSED_SCORE, type Vocabulary } from './vocabulary.js'

export const SENTENCEPIECE_FILE = 'sentencepiece.bpe.model'

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
  vocabulary.mask = pieces.length + 1 < rows ? pieces.length + 1 : undefined
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
    mask: undefined,
    addSpacePrefix: true,
    removeExtraWhitespaces: true,
  }
}

/** Whether a BERT checkpoint has XLM-R's vocabulary and not its own, as multilingual-e5-small. */
export async function isUnigram(directory: string): Promise<boolean> {
  if (await isFile(join(directory, SENTENCEPIECE_FILE))) return true
  const json = await readJson(directory, TOKENIZER_JSON, true)
  const { model } = asObject(json ?? {}, TOKENIZER_JSON)
  return model !== undefined && Array.isArray(asObject(model, `${TOKENIZER_JSON}: model`).vocab)
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false
}
