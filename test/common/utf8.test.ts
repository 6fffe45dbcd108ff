import { isUtf8 } from 'node:buffer'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeUtf8, utf8Fault } from '../../lib/common/utf8.js'

const pieces = fc.oneof(
  fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
  fc.constantFrom('\ufffd', '€', '😀').map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes)),
)

describe('utf8Fault', () => {
  it('is the first place from which no character can be read', () => {
    fc.assert(
      fc.property(fc.array(pieces), (given) => {
        const bytes = Buffer.concat(given)
        const at = utf8Fault(bytes)
        expect(at === undefined).toBe(isUtf8(bytes))
        if (at === undefined) return
        expect(isUtf8(bytes.subarray(0, at))).toBe(true)
        const characters = [1, 2, 3, 4].map((length) => bytes.subarray(at, at + length))
        expect(characters.some((character) => isUtf8(character))).toBe(false)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('decodeUtf8', () => {
  it('is the text without a byte order mark, or an error with line and offset', () => {
    expect(decodeUtf8(Buffer.from('\ufeffé\ufffd'), 'The file')).toBe('é\ufffd')
    const latin = Buffer.from('a\nb\ncaf\xe9\n', 'latin1')
    expect(() => decodeUtf8(latin, 'The file')).toThrow(
      'The file is not valid UTF-8 (line 3, byte offset 7)',
    )
  })
})
