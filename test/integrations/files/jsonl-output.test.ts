import { describe, expect, it } from 'vitest'
import { InputTooLongError } from '../../../lib/common/errors.js'
import { toFloat16 } from '../../../lib/common/float16.js'
import { embeddingLine, errorLine } from '../../../lib/integrations/files/jsonl-output.js'

const common = { tokenCount: 3, truncated: false, cached: false }

describe('embeddingLine', () => {
  it('is one line of JSON with what there is, in a fixed order', () => {
    const line = embeddingLine('a"b\n', {
      ...common,
      dense: Float32Array.of(0.1, -0.25, 1e-9),
      sparse: { indices: Uint32Array.of(5, 250001), values: Float32Array.of(0.3, 0.2) },
      colbert: { data: Float32Array.of(1, 0, 0, 1, 0.6, 0.8), rows: 3, cols: 2 },
    })
    expect(line).toBe(
      '{"id":"a\\"b\\n","dense":[0.1,-0.25,1e-9],"sparse":{"indices":[5,250001],"values":[0.3,0.2]},' +
        '"colbert":[[1,0],[0,1],[0.6,0.8]],"tokenCount":3}\n',
    )
  })

  it('says so when a text lost its end', () => {
    const embedding = { ...common, truncated: true, dense: Float32Array.of(1) }
    expect(JSON.parse(embeddingLine(0, embedding))).toEqual({
      id: 0,
      dense: [1],
      tokenCount: 3,
      truncated: true,
    })
  })

  it('reads back bit for bit', () => {
    const dense = Float32Array.from({ length: 1000 }, () => Math.random() - 0.5)
    const { dense: read } = JSON.parse(embeddingLine(0, { ...common, dense })) as {
      dense: number[]
    }
    expect(Float32Array.from(read)).toEqual(dense)
  })

  it('has every precision', () => {
    const line = (dense: Uint16Array | Int8Array | Uint8Array) =>
      (JSON.parse(embeddingLine(0, { ...common, dense })) as { dense: number[] }).dense
    expect(line(toFloat16(Float32Array.of(0.1, -2)))).toEqual([0.1, -2])
    expect(line(Int8Array.of(-127, 3))).toEqual([-127, 3])
    expect(line(Uint8Array.of(255, 0))).toEqual([255, 0])
  })

  it('has rows of packed bits, and no rows', () => {
    const line = (data: Uint8Array, rows: number) =>
      JSON.parse(embeddingLine(0, { ...common, colbert: { data, rows, cols: 16 } })) as object
    expect(line(Uint8Array.of(1, 2, 3, 4), 2)).toMatchObject({
      colbert: [
        [1, 2],
        [3, 4],
      ],
    })
    expect(line(new Uint8Array(0), 0)).toMatchObject({ colbert: [] })
  })

  it('echoes an id that is too large for a double', () => {
    const line = embeddingLine(12345678901234567890n, { ...common, dense: Float32Array.of(1) })
    expect(line).toContain('{"id":12345678901234567890,')
  })
})

describe('errorLine', () => {
  it('has code and message, and no more', () => {
    const error = new InputTooLongError('The text has 9 tokens, and the limit is 8.', {
      index: 3,
      tokenCount: 9,
      maxTokens: 8,
    })
    expect(JSON.parse(errorLine('x', error))).toEqual({
      id: 'x',
      error: { code: 'INPUT_TOO_LONG', message: 'The text has 9 tokens, and the limit is 8.' },
    })
  })
})
