import { spawnSync } from 'node:child_process'
import vm from 'node:vm'
import { describe, expect, it } from 'vitest'
import {
  isArrayBuffer,
  isError,
  isMap,
  isPlain,
  isThenable,
  isTyped,
  nameOf,
} from '../../lib/common/realms.js'
import { root } from '../helpers/child.js'

/** The same expression, of this realm and of another. */
const both = (code: string) => [vm.runInThisContext(code), vm.runInNewContext(code)]

describe('what a value is', () => {
  it('does not depend on the realm that made it', () => {
    for (const value of both('Float32Array.of(1)')) {
      expect(isTyped(value, 'Float32Array')).toBe(true)
      expect(isTyped(value, 'Float64Array')).toBe(false)
    }
    expect(isTyped(Buffer.of(1), 'Uint8Array')).toBe(true)
    for (const value of both('new ArrayBuffer(1)')) expect(isArrayBuffer(value)).toBe(true)
    for (const value of both('new Map()')) expect(isMap(value)).toBe(true)
    for (const value of [...both('({ a: 1 })'), ...both('Object.create(null)')]) {
      expect(isPlain(value)).toBe(true)
    }
    for (const value of both('new (class A {})()')) expect(isPlain(value)).toBe(false)
    for (const value of both('new TypeError("secret")')) expect(nameOf(value)).toBe('TypeError')
    for (const value of both('(async () => {})()')) expect(isThenable(value)).toBe(true)
    expect(nameOf(new DOMException('secret', 'AbortError'))).toBe('AbortError')
  })

  it('is not what it says of itself', () => {
    const none = [undefined, null, 1, 'x', [], {}, { [Symbol.toStringTag]: 'Float32Array' }]
    for (const value of [...none, new DataView(new ArrayBuffer(4))]) {
      expect(isTyped(value, 'Float32Array')).toBe(false)
      expect(isArrayBuffer(value) || isMap(value) || isError(value) || isThenable(value)).toBe(
        false,
      )
    }
  })
})

describe('lib', () => {
  // what a realm has of its own, and what Node, the addon or a caller may have made in another
  const SHARED =
    '([A-Z]\\w*Array|ArrayBuffer|Buffer|Map|Set|Date|RegExp|Promise|URL|\\w*Event\\w*|Abort\\w+|(Type|Range|Syntax)?Error)'

  it('asks no instanceof of a class that each realm has', () => {
    const args = ['grep', '-nE', `instanceof ${SHARED}\\b`, '--', 'lib', ':!*/page/client/*']
    const { stdout } = spawnSync('git', args, { cwd: root, encoding: 'utf8' })
    expect(stdout.split('\n').filter((line) => !/instanceof StringArray/.test(line))).toEqual([''])
  })
})
