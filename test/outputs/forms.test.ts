/** An embedding as plain arrays and as JSON: what reads back is the same numbers. */
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toFloat16 } from '../../lib/common/float16.js'
import { Embedder } from '../../lib/embedder/embedder.js'
import {
  colbertScore,
  computeScore,
  cosine,
  lexicalScore,
  topK,
} from '../../lib/exports/scoring.js'
import { standinPath } from '../helpers/standins.js'

let m3: Embedder
beforeAll(async () => {
  m3 = await Embedder.load({ model: await standinPath({ size: 'tiny' }), threads: 1 })
})
afterAll(() => m3.dispose())

const text = 'What is BGE M3?'

describe('an embedding', () => {
  it('reads back from JSON bit for bit', async () => {
    const one = await m3.embed(text, { outputs: 'all' })
    const back = JSON.parse(JSON.stringify(one))
    expect(Float32Array.from(back.dense)).toEqual(one.dense)
    expect(Uint32Array.from(back.sparse.indices)).toEqual(one.sparse.indices)
    expect(Float32Array.from(back.sparse.values)).toEqual(one.sparse.values)
    expect(Float32Array.from(back.colbert.flat())).toEqual(one.colbert.data)
    expect(back.colbert).toHaveLength(one.colbert.rows)
    const { tokenCount, truncated, cached, timings } = one
    expect(back).toMatchObject({ tokenCount, truncated, cached, timings })
    expect(Object.keys(back).sort()).toEqual(Object.keys(one).sort())
  })

  it('is plain arrays in every precision', async () => {
    const halves = await m3.embed(text, { precision: 'float16', outputs: ['dense', 'colbert'] })
    const { dense, colbert } = halves.toArrays()
    expect(toFloat16(dense)).toEqual(halves.dense)
    expect(toFloat16(colbert.flat())).toEqual(halves.colbert.data)
    const bytes = await m3.embed(text, { precision: 'int8' })
    expect(bytes.toArrays()).toEqual({ dense: [...bytes.dense] })
    const bits = await m3.embed(text, { precision: 'binary' })
    expect(bits.toArrays().dense).toEqual([...bits.dense])
  })

  it('is the same from the cache, and has no other properties than before', async () => {
    const first = await m3.embed('cached text')
    const second = await m3.embed('cached text')
    expect(second.cached).toBe(true)
    expect(second.toArrays()).toEqual(first.toArrays())
    expect(Object.keys(first).sort()).toEqual([
      'cached',
      'dense',
      'timings',
      'tokenCount',
      'truncated',
    ])
    expect(structuredClone({ ...first }).dense).toEqual(first.dense)
  })
})

describe('scores', () => {
  it('take embeddings where they take their outputs', async () => {
    const [a, b, c] = await m3.embed([text, 'a model', 'a bear'], { outputs: 'all' })
    if (!a || !b || !c) throw new Error('three texts')
    expect(cosine(a, b)).toBe(cosine(a.dense, b.dense))
    expect(cosine(a, b.dense)).toBe(cosine(a.dense, b))
    expect(topK(a, [b, c], 2)).toEqual(topK(a.dense, [b.dense, c.dense], 2))
    expect(lexicalScore(a, b)).toBe(lexicalScore(a.sparse, b.sparse))
    expect(colbertScore(a, b)).toBe(colbertScore(a.colbert, b.colbert))
  })

  it('are an error where there is nothing to compare, and say what to ask for', async () => {
    const sparse = await m3.embed(text, { outputs: ['sparse'] })
    const dense = await m3.embed(text)
    expect(() => cosine(sparse as never, dense)).toThrow(/no `dense`.*`outputs`/)
    expect(() => topK(dense, [sparse as never], 1)).toThrow(/no `dense`/)
    expect(() => lexicalScore(sparse, dense as never)).toThrow(/no `sparse`/)
    expect(() => computeScore(sparse, dense)).toThrow(/no output in common/)
    expect(() => computeScore([[sparse, dense]])).toThrow(/no output in common/)
    expect(() => computeScore({}, {})).toThrow(/no output in common/)
  })
})

describe('console.log(embedder)', () => {
  it('says model, outputs and threads, and what state it is in', async () => {
    expect(inspect(m3)).toMatch(
      /^Embedder \{\s+model: '.+',\s+outputs: \[ 'dense', 'sparse', 'colbert' \],\s+threads: 1\s+\}$/,
    )
    expect(inspect({ m3 }, { depth: 0 })).toContain('Embedder')
    const lazy = await Embedder.load({ model: m3.info.model, lazy: true })
    expect(inspect(lazy)).toBe('Embedder { not loaded }')
    await lazy.dispose()
    expect(inspect(lazy)).toBe('Embedder { disposed }')
  })
})
