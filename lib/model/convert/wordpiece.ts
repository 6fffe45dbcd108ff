/**
 * The vocabulary of a BERT checkpoint, from `tokenizer.json` or `vocab.txt`, as llama.cpp v0.5.0's
 * `BertModel.set_vocab` (`conversion/bert.py`) writes it: `\u2581` before what begins a word, no `##`
 * before what continues one.
 */

import { isUtf8 } from 'node:buffer'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ModelLoadError, ModelNotFoundError } from '../../common/errors.js'
import { entry, type GgufEntry, StringArray } from '../formats/gguf/values.js'
import { PieceType } from '../formats/sentencepiece.js'
import { asObject, readJson } from './json.js'
import { TOKENIZER_JSON } from './tokenizer-json.js'

const VOCAB_FILE = 'vocab.txt'
const SPECIALS = ['[UNK]', '[SEP]', '[PAD]', '[CLS]', '[MASK]'] as const

type Json = Record<string, unknown>

/**
 * @throws ModelNotFoundError when neither file is there, ModelLoadError for a vocabulary that does not fit
 * the token table of `rows` rows, or that is not uncased: the engine's tokenizer is BERT's uncased one.
 */
export async function readWordPiece(
  directory: string,
  { rows, tokenTypes }: { rows: number; tokenTypes: number },
): Promise<{ source: string; entries: GgufEntry[] }> {
  const json = await readJson(directory, TOKENIZER_JSON, true)
  const source = json === undefined ? VOCAB_FILE : TOKENIZER_JSON
  await refuseCased(directory, json)
  const pieces =
    json === undefined ? await readLines(directory) : fromJson(asObject(json, TOKENIZER_JSON), rows)
  if (pieces.length > rows) {
    throw new ModelLoadError(
      `${source} has ${pieces.length} tokens, too many for ${rows} rows of the token table.`,
    )
  }
  const id = (special: string) => {
    const found = pieces.indexOf(special)
    if (found < 0) throw new ModelLoadError(`${source} has no ${special}, as BERT's has.`)
    return found
  }
  const [unknown, separator, padding, cls, mask] = SPECIALS.map(id) as [
    number,
    number,
    number,
    number,
    number,
  ]
  const types = new Int32Array(rows).fill(PieceType.UNUSED)
  const tokens: string[] = []
  for (let at = 0; at < rows; at++) {
    const piece = pieces[at]
    const isSpecial = (SPECIALS as readonly (string | undefined)[]).includes(piece)
    tokens.push(piece === undefined ? `[PAD${at}]` : isSpecial ? piece : phantom(piece))
    if (piece !== undefined) types[at] = isSpecial ? PieceType.CONTROL : PieceType.NORMAL
  }
  const key = (name: string) => `tokenizer.ggml.${name}`
  return {
    source,
    entries: [
      entry.uint32(key('token_type_count'), tokenTypes),
      entry.string(key('model'), 'bert'),
      entry.string(key('pre'), 'default'),
      entry.strings(key('tokens'), StringArray.from(tokens)),
      entry.numbers(key('token_type'), types),
      entry.uint32(key('unknown_token_id'), unknown),
      entry.uint32(key('seperator_token_id'), separator), // sic, in GGUF
      entry.uint32(key('padding_token_id'), padding),
      entry.uint32(key('cls_token_id'), cls),
      entry.uint32(key('mask_token_id'), mask),
    ],
  }
}

function phantom(piece: string): string {
  return piece.startsWith('##') ? piece.slice(2) : `\u2581${piece}`
}

/** A token a line, in the order of ids. */
async function readLines(directory: string): Promise<string[]> {
  const path = join(directory, VOCAB_FILE)
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT' && cause.code !== 'ENOTDIR') {
      throw new ModelLoadError(`${path} cannot be read.`, { cause })
    }
    const message = `The checkpoint has neither ${TOKENIZER_JSON} nor ${VOCAB_FILE}.`
    throw new ModelNotFoundError(message, { cause })
  })
  if (!isUtf8(bytes)) throw new ModelLoadError(`${VOCAB_FILE} is not UTF-8.`)
  const lines = bytes.toString('utf8').split(/\r?\n/)
  if (lines.at(-1) === '') lines.pop()
  return lines
}

function fromJson({ model }: Json, rows: number): string[] {
  const {
    type,
    vocab,
    continuing_subword_prefix: prefix,
  } = asObject(model, `${TOKENIZER_JSON}: model`)
  if ((type ?? 'WordPiece') !== 'WordPiece' || (prefix ?? '##') !== '##') {
    throw new ModelLoadError(`${TOKENIZER_JSON} is not BERT's WordPiece tokenizer.`)
  }
  const pieces: string[] = []
  for (const [piece, id] of Object.entries(asObject(vocab, `${TOKENIZER_JSON}: vocab`))) {
    const isFree = Number.isInteger(id) && (id as number) >= 0 && pieces[id as number] === undefined
    if (!isFree || (id as number) >= rows) {
      throw new ModelLoadError(
        `${TOKENIZER_JSON} has a token whose id is wrong, or is there twice.`,
      )
    }
    pieces[id as number] = piece
  }
  return pieces
}

async function refuseCased(directory: string, json: unknown): Promise<void> {
  const config = (await readJson(directory, 'tokenizer_config.json', true)) as Json | undefined
  const { normalizer } = (json ?? {}) as { normalizer?: Json | null }
  const isCased = config?.do_lower_case === false || normalizer?.lowercase === false
  if (!isCased) return
  throw new ModelLoadError('The tokenizer keeps capitals; of BERT, uncased models are supported.')
}
