import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { markedSnippet, snippet } from '../../lib/common/snippet.js'

describe('snippet', () => {
  const filler = 'lorem ipsum dolor sit amet '.repeat(30)
  it('is the text, if that is short, on one line', () => {
    expect(snippet(' One\n two\u0007\tthree ', 'x')).toBe('One two three')
    expect(snippet('', 'x')).toBe('')
  })
  it('is where most words of the query are', () => {
    const text = `${filler} the Rhine alone ${filler} the Rhine flows through Basel ${filler}`
    const part = snippet(text, 'Which river flows through BASEL?', 100)
    expect(part).toMatch(/^… .*flows through Basel.* …$/)
    expect(part.length).toBeLessThanOrEqual(104)
    expect(snippet(text, 'nothing of it', 100)).toMatch(/^lorem ipsum.* …$/)
  })
  it('cuts at words, and no character in two', () => {
    for (const width of [10, 11, 12, 40]) {
      const part = snippet('日本語のテキスト'.repeat(40), '日本', width)
      expect(part.length).toBeLessThanOrEqual(width + 4)
    }
    expect(snippet('a'.repeat(500), 'b', 50)).toBe(`${'a'.repeat(50)} …`)
    expect(snippet(`one ${'b'.repeat(500)}`, 'one', 50)).toMatch(/^one b* …$|^one …$/)
  })

  it('marks whole words of the query, wherever it was cut', () => {
    const word = fc.constantFrom('Rhine', 'rhine', 'Rhineland', 'Basel', 'a', '日本語', 'é', '😀')
    const text = fc.array(word, { maxLength: 80 }).map((words) => words.join(' '))
    fc.assert(
      fc.property(text, fc.integer({ min: 10, max: 200 }), (text, width) => {
        const found = markedSnippet(text, 'RHINE, basel', width)
        expect(found.text).toBe(snippet(text, 'RHINE, basel', width))
        const marked = found.marks.map(([from, to]) => found.text.slice(from, to))
        const words = found.text.split(/[ …]+/).filter((one) => /^(rhine|basel)$/i.test(one))
        expect(marked).toEqual(words)
      }),
    )
  })
})
