import { describe, expect, it } from 'vitest'
import { ModelLoadError } from '../../../lib/common/errors.js'
import { fromBytes } from '../../../lib/model/formats/random-access.js'
import { PieceType, readSentencePiece } from '../../../lib/model/formats/sentencepiece.js'
import { bytes, bytesOf } from '../writers/tensors.js'
import { delimited, sentencePieceModel, tag, varint } from '../writers/tokenizers.js'

const read = (content: Uint8Array) => readSentencePiece(fromBytes(content, 'sp.model'))
const piece = (...parts: Uint8Array[]) => delimited(1, bytes(...parts))
const score = (value: number) => bytes(tag(2, 5), bytesOf(Float32Array.of(value)))

describe('readSentencePiece', () => {
  it('reads a message byte by byte as protobuf writes it', async () => {
    // One piece "▁a" of score -1.5; trainer_spec with model_type UNIGRAM; normalizer_spec with a charsmap
    // of three bytes, and remove_extra_whitespaces off.
    const model = Uint8Array.of(
      0x0a,
      0x0b,
      0x0a,
      0x04,
      0xe2,
      0x96,
      0x81,
      0x61,
      0x15,
      0x00,
      0x00,
      0xc0,
      0xbf,
      0x12,
      0x02,
      0x18,
      0x01,
      0x1a,
      0x07,
      0x12,
      0x03,
      0x01,
      0x00,
      0xff,
      0x20,
      0x00,
    )
    const { pieces, scores, types, charsmap, ...flags } = await read(model)
    expect(pieces.map((bytes) => new TextDecoder().decode(bytes))).toEqual(['▁a'])
    expect([...scores]).toEqual([-1.5])
    expect([...types]).toEqual([PieceType.NORMAL])
    expect([...charsmap]).toEqual([1, 0, 255])
    expect(flags).toEqual({ addDummyPrefix: true, removeExtraWhitespaces: false })
  })

  it('reads types, and skips what it does not know', async () => {
    const unknown = bytes(
      bytes(tag(200, 0), varint(2 ** 60)),
      bytes(tag(201, 1), new Uint8Array(8)),
      bytes(tag(202, 5), new Uint8Array(4)),
      delimited(203, bytes('extension')),
    )
    const model = bytes(
      unknown,
      piece(delimited(1, bytes('<unk>')), score(0), tag(3, 0), varint(2), unknown),
      piece(delimited(1, bytes('x'))),
      delimited(4, bytes('self test')),
      delimited(3, bytes(tag(3, 0), varint(0))),
    )
    const { types, scores, addDummyPrefix } = await read(model)
    expect([...types]).toEqual([PieceType.UNKNOWN, PieceType.NORMAL])
    expect([...scores]).toEqual([0, 0])
    expect(addDummyPrefix).toBe(false)
  })

  it('reads back a written vocabulary', async () => {
    const tokens = ['<s>', '<pad>', '</s>', '<unk>', '▁the', 'é', '<mask>'].map((t) => bytes(t))
    const { pieces, scores, types, charsmap } = await read(
      sentencePieceModel({
        tokens,
        scores: Float32Array.of(0, 0, 0, 0, -3.25, -7.1, 0),
        types: Int32Array.of(3, 3, 3, 2, 1, 5, 5),
        charsmap: Uint8Array.of(9, 8, 7),
      }),
    )
    expect(pieces.map((bytes) => new TextDecoder().decode(bytes))).toEqual([
      '<unk>',
      '<s>',
      '</s>',
      '▁the',
      'é',
    ])
    expect([...scores].slice(3)).toEqual([-3.25, Math.fround(-7.1)])
    expect([...types]).toEqual([2, 3, 3, 1, 5])
    expect([...charsmap]).toEqual([9, 8, 7])
  })

  const good = piece(delimited(1, bytes('x')))
  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', bytes(), /no pieces/],
    ['a BPE model', bytes(good, delimited(2, bytes(tag(3, 0), varint(2)))), /unigram/],
    ['a cut length', bytes([1, 0x0a], [1, 0x05]), /cut short/],
    ['a cut number', bytes([1, 0x80]), /cut short/],
    ['a length beyond all files', bytes([1, 0x0a], varint(2 ** 62)), /cut short/],
    ['a number without end', new Uint8Array(20).fill(0xff), /ten bytes/],
    ['a group', bytes(tag(7, 3)), /no longer has/],
    ['field 0', bytes([1, 0x02], [1, 0]), /field of number 0/],
    ['a piece that is a number', bytes(tag(1, 0), varint(3)), /field 1/],
    ['a score that is a number', piece(bytes(tag(2, 0), varint(3))), /field 2/],
    ['a type that is text', piece(delimited(3, bytes('x'))), /field 3/],
    ['a score that is not finite', piece(score(Number.NaN)), /finite/],
    ['type 7', piece(bytes(tag(3, 0), varint(7))), /type/],
    [
      'a charsmap that is a number',
      bytes(good, delimited(3, bytes(tag(2, 0), varint(1)))),
      /field 2/,
    ],
  ])('refuses %s', async (_, model, message) => {
    await expect(read(model)).rejects.toThrow(ModelLoadError)
    await expect(read(model)).rejects.toThrow(message)
  })

  it('refuses a file that is too large before it reads it', async () => {
    const source = { ...fromBytes(bytes('x')), size: 2 ** 40 }
    await expect(readSentencePiece(source)).rejects.toThrow(/too large/)
  })
})
