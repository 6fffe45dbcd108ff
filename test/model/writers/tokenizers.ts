/** Writes `sentencepiece.bpe.model` and `tokenizer.json` as XLM-RoBERTa's look. */

import { PieceType } from '../../../lib/model/formats/sentencepiece.js'
import { bytes, bytesOf, concat } from './tensors.js'

/** A vocabulary in the model's ids, as a GGUF has it. */
export interface GgufVocabulary {
  tokens: Uint8Array[]
  scores: Float32Array
  types: Int32Array
  charsmap: Uint8Array
}

/** Three specials, then the pieces of ids 4 to the one before `<mask>`. */
export function sentencePieceModel(vocabulary: GgufVocabulary): Uint8Array {
  const { tokens, scores, types, charsmap } = vocabulary
  const parts = [
    piece(bytes('<unk>'), 0, PieceType.UNKNOWN),
    piece(bytes('<s>'), 0, PieceType.CONTROL),
    piece(bytes('</s>'), 0, PieceType.CONTROL),
  ]
  for (let id = 4; id < tokens.length - 1; id++) {
    parts.push(piece(tokens[id] as Uint8Array, scores[id] as number, types[id] as number))
  }
  const name = delimited(1, bytes('nmt_nfkc'))
  const trainer = bytes(
    delimited(1, bytes('corpus.txt')),
    tag(3, 0),
    varint(1),
    tag(4, 0),
    varint(tokens.length - 2),
  )
  parts.push(delimited(2, trainer))
  parts.push(
    delimited(3, bytes(name, delimited(2, charsmap), tag(3, 0), varint(1), tag(4, 0), varint(1))),
  )
  return concat(parts)
}

function piece(text: Uint8Array, score: number, type: number): Uint8Array {
  const scored = bytes(delimited(1, text), tag(2, 5), bytesOf(Float32Array.of(score)))
  // The default is left out, as protobuf does.
  const typed = type === PieceType.NORMAL ? bytes() : bytes(tag(3, 0), varint(type))
  return delimited(1, bytes(scored, typed))
}

export function delimited(field: number, value: Uint8Array): Uint8Array {
  return bytes(tag(field, 2), varint(value.length), value)
}

export function tag(field: number, wireType: number): Uint8Array {
  return varint(field * 8 + wireType)
}

export function varint(value: number): Uint8Array {
  const out: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128)
  out.push(rest)
  return Uint8Array.from(out)
}

/** All ids, `<mask>` the last; every special among the added tokens. */
export function tokenizerJson(vocabulary: GgufVocabulary): string {
  const { tokens, scores, charsmap } = vocabulary
  const decoder = new TextDecoder()
  const mask = tokens.length - 1
  const pieces = tokens.map((token, id) =>
    // Scores as the shortest decimals that give the float back, as Rust prints them.
    id === mask ? ['<mask>', 0] : [decoder.decode(token), shortest(scores[id] as number)],
  )
  const special = (id: number, content: string) => ({
    id,
    content,
    single_word: false,
    lstrip: content === '<mask>',
    rstrip: false,
    normalized: false,
    special: true,
  })
  return JSON.stringify({
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [
      ...['<s>', '<pad>', '</s>', '<unk>'].map((content, id) => special(id, content)),
      special(mask, '<mask>'),
    ],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Precompiled', precompiled_charsmap: Buffer.from(charsmap).toString('base64') },
        { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' },
      ],
    },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'WhitespaceSplit' },
        { type: 'Metaspace', replacement: '▁', add_prefix_space: true },
      ],
    },
    model: { type: 'Unigram', unk_id: 3, vocab: pieces },
  })
}

function shortest(value: number): number {
  for (let digits = 6; digits < 10; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === value) return short
  }
  return value
}
