import { describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../lib/common/errors.js'
import { checkSignal, nearest, refuseUnknown, shown } from '../../lib/common/given.js'
import { asPath, pathOf } from '../../lib/common/path.js'

describe('refuseUnknown', () => {
  const names = ['model', 'outputs', 'truncate', 'dimensions', 'maxTokens']
  it.each([
    ['modelPath', 'model'],
    ['output', 'outputs'],
    ['truncat', 'truncate'],
    ['dimension', 'dimensions'],
    ['max_tokens', 'maxTokens'],
    ['maxtokens', 'maxTokens'],
  ])('asks of %s whether %s was meant', (typo, meant) => {
    expect(() => refuseUnknown({ [typo]: 1 }, names, 'embed')).toThrow(InvalidInputError)
    expect(() => refuseUnknown({ [typo]: 1 }, names, 'embed')).toThrow(
      `embed has no option \`${typo}\`. Did you mean ${meant}?`,
    )
  })

  it('lists what there is where nothing is near', () => {
    expect(() => refuseUnknown({ colour: 1 }, names, 'embed')).toThrow(/It has model, outputs,/)
  })

  it('takes what is undefined for not given, and no key for a name that may be a text', () => {
    expect(refuseUnknown({ colour: undefined, model: 1 }, names, 'embed')).toBeUndefined()
    expect(() => refuseUnknown({ 'my private text': 1 }, names, 'embed')).toThrow(
      /^(?!.*private).*no option of the name/,
    )
  })

  it.each([null, 5, 'text', [], [1], true, () => 1])('refuses %j for options', (value) => {
    expect(() => refuseUnknown(value, names, 'embed')).toThrow(InvalidInputError)
  })
})

describe('shown', () => {
  it.each([
    ['soon', '"soon"'],
    ['', '""'],
    [5, '5'],
    [Number.NaN, 'NaN'],
    [false, 'false'],
    [undefined, 'undefined'],
    [{ dens: true }, '{ dens }'],
    [null, 'of type null'],
    [[1], 'of type array'],
    [{}, 'of type object'],
    [() => 1, 'of type function'],
    [1n, 'of type bigint'],
  ])('shows it, case %#', (value, text) => expect(shown(value)).toBe(text))

  it.each(['my private text', 'Überraschung', 'x'.repeat(33), '秘密', { 'a text': 1 }])(
    'does not show %j',
    (text) => expect(shown(text)).toMatch(/^of type/),
  )
})

describe('signals', () => {
  it('are whatever has what a signal has', () => {
    const polyfill = { aborted: false, addEventListener() {}, removeEventListener() {} }
    for (const signal of [undefined, new AbortController().signal, polyfill]) checkSignal(signal)
    for (const wrong of [null, 1, 'x', {}, { aborted: false }, new AbortController()]) {
      expect(() => checkSignal(wrong)).toThrow(InvalidInputError)
    }
  })
})

describe('paths', () => {
  it('may be file: URLs, as objects and as text', () => {
    expect(asPath('/a b')).toBe('/a b')
    expect(asPath('file:///a%20b')).toBe('/a b')
    expect(asPath(new URL('file:///a%20b'))).toBe('/a b')
  })

  it.each([
    '',
    'a\0b',
    'file://host/a',
    new URL('https://x/a'),
    'file:///a%00b',
    5,
    null,
    {},
    ['/a'],
  ])('are not %s', (wrong) => {
    expect(asPath(wrong)).toBeUndefined()
    expect(() => pathOf(wrong, 'The option `dir`')).toThrow(/^The option `dir` must be a path/)
  })
})

it('half of a short name is another word', () => {
  expect(nearest('x', ['heads', 'isa'])).toBeUndefined()
  expect(nearest('head', ['heads', 'isa'])).toBe('heads')
})
