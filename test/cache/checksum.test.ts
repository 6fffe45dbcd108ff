import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { crc32, crc32Small } from '../../lib/cache/entry/checksum.js'
import { entryKey, KINDS, ModelKeys, modelTag, textTag } from '../../lib/cache/entry/key.js'

describe('crc32', () => {
  it("gives the check value of the catalogue's CRC-32/ISO-HDLC", () => {
    const digits = Buffer.from('123456789')
    expect(crc32(digits)).toBe(0xcbf43926)
    expect(crc32Small(digits, 0, 9)).toBe(0xcbf43926)
    expect(crc32(Buffer.alloc(0))).toBe(0)
  })

  it('is the same by zlib and by table, over any range', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(50), (bytes, start) => {
        const from = Math.min(start, bytes.length)
        expect(crc32Small(bytes, from, bytes.length)).toBe(crc32(bytes.subarray(from)))
      }),
    )
  })
})

describe('keys', () => {
  it('are SHA-256 of the UTF-8 bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const reference = createHash('sha256').update(Buffer.from(text, 'utf8')).digest()
        expect(Buffer.from(textTag(text) ?? '', 'latin1')).toEqual(reference.subarray(0, 16))
        expect(modelTag(text)).toBe(reference.subarray(0, 8).toString('hex'))
      }),
    )
  })

  it('of texts without UTF-8 do not exist', () => {
    for (const text of ['\ud800', 'a\udc00b', '\udc00\ud800']) expect(textTag(text)).toBeUndefined()
    expect(textTag('\ufffd')).toBeDefined()
    expect(textTag('😀')).toBeDefined()
  })

  it('differ when the text, the model, the output or the limit differs', () => {
    const part = fc.record({
      model: fc.constantFrom('a', 'b', '', 'a:'),
      text: fc.constantFrom('', ' ', 'x', 'x ', 'X', 'é', 'e\u0301'),
      kind: fc.constantFrom(...KINDS),
      variant: fc.constantFrom(0, 1, 12, 123),
    })
    const models = new ModelKeys()
    const keyOf = ({
      model,
      text,
      kind,
      variant,
    }: typeof part extends fc.Arbitrary<infer T> ? T : never) =>
      entryKey(models.of(model), textTag(text) as string, kind, variant)
    fc.assert(
      fc.property(part, part, (a, b) => {
        const same = JSON.stringify(a) === JSON.stringify(b)
        expect(keyOf(a) === keyOf(b)).toBe(same)
      }),
      { numRuns: 2000 },
    )
  })

  it('know a model by its tag once its name is known', () => {
    const models = new ModelKeys()
    const byTag = models.ofTag(modelTag('m'))
    expect(byTag.fingerprint).toBeUndefined()
    const byName = models.of('m')
    expect(byName).toMatchObject({ fingerprint: 'm', prefix: byTag.prefix })
    expect(models.ofTag(modelTag('m'))).toBe(byName)
    expect(models.of('n').prefix).not.toBe(byName.prefix)
  })
})
