import fc from 'fast-check'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { InvalidInputError } from '../../lib/common/errors.js'
import {
  type Config,
  checkOptions,
  environmentName,
  OPTION_NAMES,
  OPTIONS,
  parseOption,
  readEnvironment,
  resolveOptions,
  unheardVariables,
} from '../../lib/options/table.js'

describe('environmentName', () => {
  it('is the prefix and the name in capitals', () => {
    expect(environmentName('model')).toBe('BGE_M3_MODEL')
    expect(environmentName('batchTokens')).toBe('BGE_M3_BATCH_TOKENS')
    expect(environmentName('onError')).toBe('BGE_M3_ON_ERROR')
  })

  it('is different for every option', () => {
    expect(new Set(OPTION_NAMES.map(environmentName)).size).toBe(OPTION_NAMES.length)
  })
})

describe('the table', () => {
  it.each(OPTION_NAMES)(
    '%s has a doc that says its default, and a default that is allowed',
    (option) => {
      const { doc, default: value, kind } = OPTIONS[option]
      expect(doc).toMatch(/Default: \S.*\.$/)
      expect(kind.allowed).not.toBe('')
      if (value !== undefined) expect(kind.check(value)).toEqual(value)
    },
  )

  it.each(OPTION_NAMES)(
    '%s takes no number of the wrong kind, object, symbol or function',
    (option) => {
      for (const wrong of [
        Number.NaN,
        -1,
        0.5,
        Symbol('x'),
        () => 1,
        { nonsense: true },
        [],
        null,
      ]) {
        expect(() => checkOptions({ [option]: wrong }), String(wrong)).toThrow(InvalidInputError)
      }
    },
  )
})

describe('readEnvironment', () => {
  it('reads every option', () => {
    const env = {
      BGE_M3_MODEL: '/models/m.gguf',
      BGE_M3_DOWNLOAD: 'off',
      BGE_M3_HEADS: 'heads',
      BGE_M3_THREADS: ' 4 ',
      BGE_M3_MAX_TOKENS: '512',
      BGE_M3_BATCH_TOKENS: '2048',
      BGE_M3_MEMORY_LIMIT: '1.5GiB',
      BGE_M3_CACHE: 'off',
      BGE_M3_CACHE_DIR: '/var/cache/m3',
      BGE_M3_DISK_CACHE: 'on',
      BGE_M3_DISK_CACHE_SIZE: '5GB',
      BGE_M3_CACHE_TTL: '7d',
      BGE_M3_MAX_PENDING: '1000',
      BGE_M3_UNLOAD_AFTER: '60s',
      BGE_M3_ISA: 'AVX2',
      BGE_M3_LOG_LEVEL: 'Debug',
      BGE_M3_PRESET: 'low-memory',
      BGE_M3_FALLBACK: 'other.gguf',
      BGE_M3_RETRY: '0',
      BGE_M3_VERIFY: 'never',
      BGE_M3_SHA256: 'Ab'.repeat(32),
      BGE_M3_OUTPUTS: 'sparse, Dense',
      BGE_M3_PROMPT: 'query',
      BGE_M3_NORMALIZE: 'no',
      BGE_M3_TRUNCATE: 'end',
      BGE_M3_DIMENSIONS: '256',
      BGE_M3_PRECISION: 'float16',
      BGE_M3_PRIORITY: 'bulk',
      BGE_M3_TIMEOUT: '1.5s',
      BGE_M3_ON_ERROR: 'collect',
    }
    expect(Object.keys(env)).toHaveLength(OPTION_NAMES.length)
    expect(readEnvironment(env)).toEqual({
      model: '/models/m.gguf',
      download: false,
      heads: 'heads',
      threads: 4,
      maxTokens: 512,
      batchTokens: 2048,
      memoryLimit: 1.5 * 2 ** 30,
      cache: 0,
      cacheDir: '/var/cache/m3',
      diskCache: true,
      diskCacheSize: 5e9,
      cacheTtl: 604_800_000,
      maxPending: 1000,
      unloadAfter: 60_000,
      isa: 'avx2',
      logLevel: 'debug',
      preset: 'low-memory',
      fallback: 'other.gguf',
      retry: 0,
      verify: 'never',
      sha256: 'ab'.repeat(32),
      outputs: { dense: true, sparse: true, colbert: false },
      prompt: 'query',
      normalize: false,
      truncate: 'end',
      dimensions: 256,
      precision: 'float16',
      priority: 'bulk',
      timeout: 1500,
      onError: 'collect',
    })
  })

  it('ignores empty variables and other programs’ variables', () => {
    expect(readEnvironment({ BGE_M3_THREADS: '', THREADS: 'x', BGE_M3_PORT: 'y' })).toEqual({})
  })

  it.each([
    ['BGE_M3_THREADS', 'four', 'an integer from 1 to 1024'],
    ['BGE_M3_THREADS', '0', 'an integer from 1 to 1024'],
    ['BGE_M3_THREADS', '1e3', 'an integer'],
    ['BGE_M3_MEMORY_LIMIT', '2 bananas', 'such as 2GB or 1.5GiB'],
    ['BGE_M3_MEMORY_LIMIT', '1MB', 'at least 16000000 bytes'],
    ['BGE_M3_OUTPUTS', 'dense,colour', 'dense, sparse, colbert'],
    ['BGE_M3_OUTPUTS', ',', 'dense, sparse, colbert'],
    ['BGE_M3_TRUNCATE', 'middle', 'one of error, end'],
    ['BGE_M3_NORMALIZE', 'maybe', 'on or off'],
    ['BGE_M3_NORMALIZE', 'constructor', 'on or off'],
    ['BGE_M3_TIMEOUT', '-1s', 'a duration'],
    ['BGE_M3_TIMEOUT', '0', 'a duration'],
    ['BGE_M3_ISA', '../evil', 'a name'],
    ['BGE_M3_MODEL', 'a\0b', 'a path'],
  ])(
    '%s=%j is an error that names the variable and what it may hold',
    (variable, value, allowed) => {
      let error: unknown
      try {
        readEnvironment({ [variable]: value })
      } catch (caught) {
        error = caught
      }
      expect(error).toBeInstanceOf(InvalidInputError)
      expect((error as Error).message).toContain(variable)
      expect((error as Error).message).toContain(allowed)
      expect((error as Error).message).toContain(JSON.stringify(value))
    },
  )

  it('does not show a value that is too long to be a setting', () => {
    const value = 'secret '.repeat(20)
    expect(() => readEnvironment({ BGE_M3_THREADS: value })).toThrow(/^(?!.*secret)/)
  })

  it('never throws anything but InvalidInputError, and what it reads is allowed when passed', () => {
    const text = fc.oneof(
      fc.string(),
      fc.constantFrom('1', '0', 'on', '2GB', '5s', 'dense', 'end', 'latency=1', 'bulk', '64'),
    )
    fc.assert(
      fc.property(fc.constantFrom(...OPTION_NAMES), text, (option, value) => {
        try {
          const read = readEnvironment({ [environmentName(option)]: value })
          expect(checkOptions(read)).toEqual(read)
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidInputError)
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('parseOption', () => {
  it('names the flag as the user wrote it', () => {
    expect(parseOption('threads', '3', '--threads')).toBe(3)
    expect(() => parseOption('threads', 'x', '--threads')).toThrow(/^--threads must be/)
  })
})

describe('checkOptions', () => {
  it('takes sizes and durations as numbers and as text', () => {
    expect(checkOptions({ memoryLimit: '2GB', timeout: '2min', cache: true })).toEqual({
      memoryLimit: 2e9,
      timeout: 120_000,
      cache: 64e6,
    })
    expect(checkOptions({ memoryLimit: 5e8, timeout: 10, cache: false })).toEqual({
      memoryLimit: 5e8,
      timeout: 10,
      cache: 0,
    })
    expect(checkOptions({ cache: '1MB' })).toEqual({ cache: 1e6 })
  })

  it('fills a choice of outputs, and needs one', () => {
    expect(checkOptions({ outputs: { colbert: true, dense: undefined } })).toEqual({
      outputs: { dense: false, sparse: false, colbert: true },
    })
    expect(() => checkOptions({ outputs: { dense: false } })).toThrow(InvalidInputError)
    expect(() => checkOptions({ outputs: { dense: 1 } })).toThrow(InvalidInputError)
    expect(() => checkOptions({ outputs: { dense: true, colour: true } })).toThrow(/`outputs`/)
  })

  it('leaves functions and unknown options to others, and skips what is undefined', () => {
    expect(checkOptions({ logger: console, signal: 1, threads: undefined })).toEqual({})
  })

  it('never shows a string that was passed', () => {
    const canary = 'my private text'
    for (const option of OPTION_NAMES.filter(
      (name) => OPTIONS[name].kind.check(canary) === undefined,
    )) {
      expect(() => checkOptions({ [option]: canary })).toThrow(/of type string/)
      expect(() => checkOptions({ [option]: canary })).toThrow(/^(?!.*private)/)
    }
    expect(() => checkOptions({ threads: null })).toThrow(/of type null/)
    expect(() => checkOptions({ threads: [] })).toThrow(/of type array/)
    expect(() => checkOptions({ threads: 0 })).toThrow(/not 0\./)
  })
})

describe('resolveOptions', () => {
  it('prefers what was passed, then the environment, then the default', () => {
    const env = { BGE_M3_THREADS: '4', BGE_M3_RETRY: '3', BGE_M3_NORMALIZE: 'off' }
    const config = resolveOptions({ threads: 2, retry: undefined }, env)
    expect(config).toMatchObject({ threads: 2, retry: 3, verify: 'auto' })
    expect(config.memoryLimit).toBe(undefined)
    expect(config.model).toBeUndefined()
  })

  it('hears of no variable that shapes results, be it right or wrong', () => {
    const env = { BGE_M3_NORMALIZE: 'off', BGE_M3_PRECISION: 'nonsense', BGE_M3_MAX_TOKENS: '9' }
    expect(resolveOptions({}, env)).toEqual(resolveOptions({}, {}))
    expect(unheardVariables(env)).toHaveLength(3)
  })

  it('has exact types', () => {
    expectTypeOf<Config['threads']>().toEqualTypeOf<number | undefined>()
    expectTypeOf<Config['memoryLimit']>().toEqualTypeOf<number | undefined>()
    expectTypeOf<Config['truncate']>().toEqualTypeOf<'error' | 'end'>()
    expectTypeOf<Config['outputs']>().toEqualTypeOf<
      Record<'dense' | 'sparse' | 'colbert', boolean>
    >()
  })
})
