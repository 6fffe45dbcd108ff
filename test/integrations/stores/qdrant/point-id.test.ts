import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../../../lib/common/errors.js'
import { isWellFormed } from '../../../../lib/common/utf8.js'
import { pointId, wellFormed } from '../../../../lib/integrations/stores/qdrant/point-id.js'

const REFERENCE = [
  ['a', 'e6a837d7-ae63-5379-8b0c-ac40970fb7ef'],
  ['', 'de9e033b-d29f-5709-b684-c74d129d7432'],
  ['0', '12c9d1e3-9688-562f-a3d7-33b640815285'],
  ['doc/1?x=#%', '8649db6d-ab51-5176-9ca0-5535287cda5f'],
  ['"; DROP TABLE', '1137fb99-2f93-573d-9a15-24ab196b6e71'],
  ['\u00fcn\u00ef', 'fc58d288-f4e9-58eb-942d-7805ca1736c1'],
  ['\u0000', 'dcd82393-e8cc-5789-8574-0eaac4948f7c'],
  ['\ud83d\ude00', 'bfe7bae3-2385-5c6f-b75f-6531f8a8de0a'],
  ['\u65e5\u672c\n\t', '99c1e671-e02d-5cec-a3d7-765a31eb4804'],
  [' ', '93077952-4e0d-560a-a159-e5535f13ccdb'],
] as const

const text = fc.string({ unit: 'binary' })

describe('pointId', () => {
  // by Python: uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_URL, 'urn:bge-m3-node:point'), id)
  it.each(REFERENCE)('%j', (id, uuid) => expect(pointId(id)).toBe(uuid))

  it('is a UUID of version 5, and the same again', () => {
    fc.assert(
      fc.property(text, (id) => {
        const uuid = pointId(id)
        expect(uuid).toMatch(
          /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
        )
        expect(pointId(id)).toBe(uuid)
      }),
    )
  })

  it('differs for ids that differ', () => {
    fc.assert(
      fc.property(fc.uniqueArray(text, { minLength: 2, maxLength: 50 }), (ids) => {
        expect(new Set(ids.map(pointId)).size).toBe(ids.length)
      }),
    )
    // composed and decomposed, case, blanks: nothing is brought into one form
    const near = ['é', 'e\u0301', 'É', ' a', 'a', 'a ', 'a\0', '1', '01', '1.0']
    expect(new Set(near.map(pointId)).size).toBe(near.length)
  })

  it.each(['\ud800', 'a\udc00b', '\ud83d', '\udc00\ud800'])(
    'refuses half a surrogate pair, which UTF-8 would make one with others (%#)',
    (id) => {
      expect(() => pointId(id)).toThrow(InvalidInputError)
    },
  )
})

describe('wellFormed', () => {
  it('is what UTF-8 makes of a text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((c) => String.fromCharCode(c)) }),
        (string) => {
          const through = Buffer.from(string, 'utf8').toString('utf8')
          expect(wellFormed(string)).toBe(through)
          expect(isWellFormed(string)).toBe(through === string)
        },
      ),
    )
  })
})
