import { describe, expect, it } from 'vitest'
import {
  describeError,
  exitCodeOf,
  Interrupted,
  OutputClosed,
  UsageError,
} from '../../../lib/apps/cli/shared/errors.js'
import * as errors from '../../../lib/common/errors.js'

describe('exit codes', () => {
  it.each([
    [new UsageError('x'), 2],
    [new errors.InvalidInputError('x'), 2],
    [new errors.ModelNotFoundError('x'), 3],
    [new errors.ModelLoadError('x'), 3],
    [new errors.IntegrityError('x'), 3],
    [new errors.DownloadError('x'), 3],
    [new errors.UnsupportedCpuError('x'), 3],
    [new errors.MemoryLimitError('x'), 3],
    [new errors.InferenceError('x'), 1],
    [new errors.InputTooLongError('x', { tokenCount: 9, maxTokens: 8 }), 1],
    [new Interrupted(), 130],
    [new OutputClosed(), 0],
    [new TypeError('x'), 1],
    ['thrown', 1],
  ])('of %s is %i', (error, code) => {
    expect(exitCodeOf(error)).toBe(code)
  })
})

describe('describeError', () => {
  it("keeps our own codes and the system's", () => {
    expect(describeError(new errors.IntegrityError('bad'))).toEqual({
      code: 'INTEGRITY',
      message: 'bad',
    })
    expect(describeError(new UsageError('so'))).toEqual({ code: 'USAGE', message: 'so' })
    const system = Object.assign(new Error('ENOSPC: full'), { code: 'ENOSPC', syscall: 'write' })
    expect(describeError(system)).toEqual({ code: 'ENOSPC', message: 'ENOSPC: full' })
  })

  it('calls the rest a bug, and says how to see more', () => {
    const described = describeError(new TypeError('x is undefined'))
    expect(described.code).toBe('INTERNAL')
    expect(described.message).toMatch(/TypeError: x is undefined .*BGE_M3_DEBUG=1/)
    expect(describeError('thrown').message).toContain('thrown')
  })
})
