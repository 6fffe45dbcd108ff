import { describe, expect, it } from 'vitest'
import { chooseGguf } from '../../lib/model/gguf-choice.js'

describe('chooseGguf', () => {
  const files = ['m-f32.gguf', 'm.Q4_K_M.gguf', 'm-F16.gguf', 'm-q8_0.gguf', 'README.md']

  it('takes Q8_0 first, then what is nearest to the checkpoint', () => {
    expect(chooseGguf(files)).toBe('m-q8_0.gguf')
    expect(chooseGguf(files.slice(0, 3))).toBe('m-F16.gguf')
    expect(chooseGguf(files.slice(0, 2))).toBe('m-f32.gguf')
    expect(chooseGguf(['m.Q4_K_M.gguf', 'README.md'])).toBe('m.Q4_K_M.gguf')
    expect(chooseGguf(['sub/Q8_0.gguf', 'a.gguf'])).toBe('sub/Q8_0.gguf')
  })

  it('takes the format that is named, and no other', () => {
    expect(chooseGguf(files, 'q4_k_m')).toBe('m.Q4_K_M.gguf')
    expect(chooseGguf(files, 'f16')).toBe('m-F16.gguf')
    expect(chooseGguf(files, 'q5_0')).toBeUndefined()
    expect(chooseGguf(['m-bf16.gguf'], 'f16')).toBeUndefined()
  })

  it('does not guess, and takes no parts', () => {
    expect(chooseGguf(['a.gguf', 'b.gguf'])).toBeUndefined()
    expect(chooseGguf(['m-q8_0-00001-of-00002.gguf'])).toBeUndefined()
    expect(chooseGguf([])).toBeUndefined()
  })
})
