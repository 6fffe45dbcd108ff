import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import * as source from '../../lib/common/errors.js'
import { root } from '../helpers/child.js'

type Errors = typeof source
type Made = (typeof source)['EmbedderError']

const file = (name: string) => path.join(root, 'dist', name)
const esm = (await import(pathToFileURL(file('index.js')).href)) as Errors
const cjs = createRequire(import.meta.url)(file('index.cjs')) as Errors
const COPIES = { source, esm, cjs }

const classes = (copy: Errors) =>
  Object.entries(copy).filter(([name]) => name.endsWith('Error')) as [
    string,
    Made & { code?: string },
  ][]

/** One of each class of a copy. */
const errors = (copy: Errors) =>
  classes(copy).map(([name, Class]) => {
    if (name === 'EmbedderError') return new copy.EmbedderError('CACHE', 'x')
    if (name === 'BatchError') return new copy.BatchError([], [])
    return Reflect.construct(Class, ['x', { tokenCount: 9, maxTokens: 8 }]) as InstanceType<Made>
  })

const names = classes(source).map(([name]) => name)
const pairs = Object.keys(COPIES).flatMap((a) => Object.keys(COPIES).map((b) => [a, b] as const))

describe('instanceof', () => {
  it.each(pairs)('asks for the code: errors of %s by classes of %s', (made, asked) => {
    const mine = errors(COPIES[made as keyof typeof COPIES])
    const theirs = classes(COPIES[asked as keyof typeof COPIES])
    expect(theirs.map(([name]) => name).sort()).toEqual([...names].sort())
    for (const error of mine) {
      const is = theirs.filter(([, Class]) => error instanceof Class).map(([name]) => name)
      const own = error.name === 'EmbedderError' ? 'CacheError' : error.name
      const isCopy = made !== asked
      const expected = error.name === 'EmbedderError' && !isCopy ? ['CacheError'] : [own]
      expect(is.sort()).toEqual(['EmbedderError', ...expected].sort())
    }
  })

  it('says no to errors of others that have the same code, and to what is no error', () => {
    const foreign = Object.assign(new Error('x'), { code: 'TIMEOUT' })
    for (const value of [foreign, undefined, null, 'TIMEOUT', { code: 'TIMEOUT' }]) {
      expect(value instanceof source.EmbedderError).toBe(false)
      expect(value instanceof source.TimeoutError).toBe(false)
    }
  })

  it('asks for a class that somebody derives as always', () => {
    class Mine extends source.InvalidInputError {}
    class Other extends cjs.EmbedderError {}
    const mine = new Mine('x')
    expect(mine instanceof Mine && mine instanceof cjs.InvalidInputError).toBe(true)
    expect(new source.InvalidInputError('x') instanceof Mine).toBe(false)
    expect(mine instanceof Other).toBe(false)
  })

  it('narrows', () => {
    const error: unknown = new cjs.InputTooLongError('x', { tokenCount: 9, maxTokens: 8 })
    if (!(error instanceof esm.InputTooLongError)) throw new Error('not one')
    const { tokenCount }: { tokenCount: number } = error
    expect(tokenCount).toBe(9)
  })
})
