import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../../lib/common/errors.js'
import { CostModel } from '../../../lib/engine/estimate/cost-model.js'
import { costFile, loadCosts, saveCosts } from '../../../lib/engine/estimate/cost-store.js'
import { type EstimateDeps, estimate } from '../../../lib/engine/estimate/estimate.js'

/** A machine of 1 ms a token. */
function costs(): CostModel {
  const model = new CostModel()
  for (const lengths of [[10], [100], [500], [100, 100, 100]]) {
    const computeMs = lengths.reduce((a, b) => a + b)
    for (let i = 0; i < 5; i++) model.observe({ lengths, outputs: 1, computeMs })
  }
  return model
}

const MB = 1_000_000

function deps(changes: Partial<EstimateDeps['call']> = {}): EstimateDeps {
  return {
    costs: costs(),
    countTokens: async (texts) =>
      texts.map((text) =>
        typeof text === 'string' ? text.length : new InvalidInputError('no text'),
      ),
    call: {
      outputs: { dense: true, sparse: false, colbert: false },
      precision: 'float32',
      dimensions: 1000,
      maxTokens: 1000,
      truncate: 'error',
      ...changes,
    },
    dim: 1000,
    packing: { batchTokens: 500 },
    memory: {
      residentBytes: 100 * MB,
      weightBytesToRead: 50 * MB,
      contextBytes: 10 * MB,
      contextBytesFor: (tokens) => Math.max(10, tokens / 10) * MB,
    },
  }
}

describe('estimate', () => {
  it('tells tokens, batches, seconds and memory', async () => {
    const texts = ['a'.repeat(300), 'b'.repeat(300), 'c'.repeat(100)]
    const { tokens, batches, seconds, peakBytes } = await estimate(texts, deps())
    expect(tokens).toBe(700)
    expect(batches).toBe(2)
    expect(seconds).toBeGreaterThan(0.65)
    expect(seconds).toBeLessThan(0.8)
    // 40 MB more context for 500 tokens, 3 vectors of 4 kB and little else
    expect(peakBytes).toBeGreaterThan(190 * MB)
    expect(peakBytes).toBeLessThan(190.1 * MB)
  })

  it('computes identical texts once, and holds all of their results', async () => {
    const one = await estimate(['a'.repeat(300)], deps())
    const many = await estimate(Array(1000).fill('a'.repeat(300)), deps())
    expect(many.tokens).toBe(300_000)
    expect(many.batches).toBe(1)
    expect(many.seconds).toBeLessThan(one.seconds + 0.2)
    expect(many.peakBytes - one.peakBytes).toBeGreaterThan(999 * 4700)
  })

  it('leaves out what would be refused, and cuts what would be cut', async () => {
    const texts = ['a'.repeat(2000), 7, 'b'.repeat(100)]
    expect((await estimate(texts, deps())).tokens).toBe(100)
    expect((await estimate(texts, deps({ truncate: 'end' }))).tokens).toBe(1100)
  })

  it('counts what the outputs weigh', async () => {
    const texts = ['a'.repeat(900)]
    const plain = await estimate(texts, deps())
    const outputs = { dense: true, sparse: true, colbert: true }
    const all = await estimate(texts, deps({ outputs }))
    const bits = await estimate(texts, deps({ outputs, precision: 'binary' }))
    expect(all.peakBytes - plain.peakBytes).toBeGreaterThan(900 * 4000)
    expect(all.peakBytes - bits.peakBytes).toBeGreaterThan(900 * 3800)
  })

  it('needs nothing for nothing, and an array', async () => {
    const nothing = await estimate([], deps())
    expect(nothing).toMatchObject({ tokens: 0, batches: 0, peakBytes: 150 * MB })
    await expect(estimate('a text' as never, deps())).rejects.toThrow(InvalidInputError)
  })
})

describe('the store', () => {
  let dir: string
  const key = { fingerprint: 'f', threads: 2, isa: 'avx2' }

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'bge-m3-costs-'))
  })

  afterAll(() => rm(dir, { recursive: true, force: true }))

  it('gives the next process what this one learnt', async () => {
    const file = costFile(dir, key)
    const learnt = costs()
    expect(await saveCosts(learnt, file)).toBe(true)
    expect((await stat(file)).mode & 0o777).toBe(process.platform === 'win32' ? 0o666 : 0o600)
    const fresh = new CostModel()
    expect(await loadCosts(fresh, file)).toBe(true)
    const options = { batchTokens: 512, outputs: 1 }
    expect(
      fresh.predict([300], options).seconds / learnt.predict([300], options).seconds,
    ).toBeCloseTo(1, 1)
    expect(await readdir(join(dir, 'estimates'))).toHaveLength(1)
  })

  it('keeps models, threads and kernels apart', () => {
    const files = [key, { ...key, fingerprint: 'g' }, { ...key, threads: 1 }, { ...key, isa: 'x' }]
    expect(new Set(files.map((k) => costFile(dir, k))).size).toBe(4)
  })

  it('ignores a file that is missing, damaged, huge or cut', async () => {
    const file = costFile(dir, key)
    const text = await readFile(file, 'utf8')
    const contents = ['', '{', 'null', '[]', text.slice(0, text.length / 2), 'x'.repeat(2_000_000)]
    for (const content of contents) {
      await writeFile(file, content)
      const model = new CostModel()
      expect(await loadCosts(model, file)).toBe(false)
      expect(model.isReady).toBe(false)
    }
    expect(await loadCosts(new CostModel(), join(dir, 'none.json'))).toBe(false)
  })

  it('says when it cannot write, or has nothing to', async () => {
    expect(await saveCosts(costs(), join(dir, 'estimates', 'x\0.json'))).toBe(false)
    expect(await saveCosts(new CostModel(), costFile(dir, key))).toBe(false)
  })
})
