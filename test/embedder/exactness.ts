/**
 * A text's outputs are the same bits alone and in any company: other texts, other callers, other orders,
 * other thread counts, other outputs asked for, two embedders at once, every instruction set.
 */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Embedder, type Embedding, type Outputs } from '../../lib/index.js'
import { importPackage, runModule } from '../helpers/child.js'
import { standinPath } from '../helpers/standins.js'
import { mixedTexts, paragraphs } from '../helpers/texts.js'

const ALL = { dense: true, sparse: true, colbert: true }
const CHOICES: readonly Outputs[] = [
  { dense: true },
  { sparse: true },
  { colbert: true },
  { dense: true, sparse: true },
  ALL,
]

/** From two tokens to more than a micro-batch holds. */
function texts(): string[] {
  const whole = mixedTexts(24)
  const starts = whole.map((text, i) => text.slice(0, 3 + i * 5))
  const long = paragraphs('en').slice(0, 6)
  return [
    ...['', 'a', 'b', 'one two', '中文', '🙂'],
    ...starts,
    ...whole,
    long.map(({ text }) => text).join(' '),
  ]
}

/** The bits of what was asked for. */
function bits({ dense, sparse, colbert }: Embedding): Record<string, string> {
  const hash = (...arrays: ArrayBufferView[]) => {
    const sum = createHash('sha1')
    for (const { buffer, byteOffset, byteLength } of arrays) {
      sum.update(new Uint8Array(buffer, byteOffset, byteLength))
    }
    return sum.digest('base64')
  }
  return {
    ...(dense && { dense: hash(dense) }),
    ...(sparse && { sparse: hash(sparse.indices, sparse.values) }),
    ...(colbert && { colbert: hash(colbert.data) }),
  }
}

/** One caller: which texts, in which order, for which outputs, of which embedder. */
const caller = (count: number, embedders: number) =>
  fc.record({
    texts: fc.array(fc.nat(count - 1), { minLength: 1, maxLength: 10 }),
    outputs: fc.constantFrom(...CHOICES),
    embedder: fc.nat(embedders - 1),
    delay: fc.constantFrom(0, 0, 0, 1, 4),
    priority: fc.constantFrom('interactive' as const, 'bulk' as const),
  })

export function mixesAreExact(size: 'tiny' | 'small', runs: number): void {
  describe(size, () => {
    const pool = size === 'tiny' ? texts() : texts().filter((text) => text.length < 700)
    let embedders: Embedder[]
    let alone: Record<string, string>[]

    beforeAll(async () => {
      const model = await standinPath({ size })
      embedders = await Promise.all([
        Embedder.load({ model, threads: 1, cache: false }),
        Embedder.load({ model, threads: 2, cache: false }),
        Embedder.load({ model, threads: 2, batchTokens: 64, cache: false }),
        // too small for all of the pool: hits, misses and evictions
        Embedder.load({ model, threads: 2, cache: '1MB' }),
      ])
      const [first] = embedders as [Embedder]
      expect(first.info.packing).toBe(true)
      alone = []
      for (const text of pool) alone.push(bits(await first.embed(text, { outputs: ALL })))
      expect(new Set(alone.map(({ dense }) => dense)).size).toBe(new Set(pool).size)
    })

    afterAll(() => Promise.all(embedders.map((m3) => m3.dispose())))

    it(`gives the bits of alone in ${runs} random mixes`, async () => {
      let embedded = 0
      const mix = fc.array(caller(pool.length, 4), { minLength: 1, maxLength: 4 })
      await fc.assert(
        fc.asyncProperty(mix, async (callers) => {
          const found = await Promise.all(
            callers.map(async ({ texts, outputs, embedder, delay, priority }) => {
              if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay))
              const batch = texts.map((i) => pool[i] as string)
              return (embedders[embedder] as Embedder).embed(batch, { outputs, priority })
            }),
          )
          for (const [c, { texts, outputs }] of callers.entries()) {
            const wanted = Object.keys(outputs)
            for (const [i, text] of texts.entries()) {
              const expected = Object.entries(alone[text] ?? {}).filter(([k]) => wanted.includes(k))
              expect(bits(found[c]?.[i] as Embedding)).toEqual(Object.fromEntries(expected))
              embedded++
            }
          }
        }),
        { numRuns: runs, endOnFailure: true },
      )
      expect(embedded).toBeGreaterThan(runs)
    })

    it('gives the same bits again after unloading and for every thread count', async () => {
      const [one, two] = embedders as [Embedder, Embedder]
      await two.unload()
      const again = await Promise.all([one, two].map((m3) => m3.embed(pool, { outputs: ALL })))
      for (const list of again) expect(list.map(bits)).toEqual(alone)
    })
  })
}

export function instructionSetsAgree(
  models: readonly [size: 'tiny' | 'small', arch: 'bge-m3' | 'minilm', quant: 'block' | 'fixed'][],
): void {
  const ISAS = ['amx', 'avx512vnni', 'avxvnni', 'avx2', 'neon-i8mm', 'neon', 'generic']
  const TEXTS = [
    '',
    'a',
    'same bits everywhere',
    ...mixedTexts(4).map((text) => text.slice(0, 160)),
  ]

  /** The kernels that ran, and the bits they gave. */
  async function underIsa(
    model: string,
    isa: string,
    quant: string,
  ): Promise<{ isa: string; quantization: string; bits: string[] }> {
    const source = `${importPackage}
      import { createHash } from 'node:crypto'
      const m3 = await Embedder.load({ model: ${JSON.stringify(model)}, cache: false })
      const outputs = { dense: true, sparse: m3.info.outputs.sparse, colbert: m3.info.outputs.colbert }
      const found = await m3.embed(${JSON.stringify(TEXTS)}, { outputs })
      const bits = found.map(({ dense, sparse, colbert }) => {
        const hash = createHash('sha1').update(new Uint8Array(dense.buffer))
        if (sparse) hash.update(new Uint8Array(sparse.values.buffer)).update(sparse.indices.join())
        if (colbert) hash.update(new Uint8Array(colbert.data.buffer))
        return hash.digest('base64')
      })
      console.log(JSON.stringify({ isa: m3.info.isa, quantization: m3.info.quantization, bits }))
      await m3.dispose()`
    const env = { ...process.env, BGE_M3_ISA: isa, BGE_M3_QUANT: quant }
    const end = await runModule(source, { env, deadline: 300_000 })
    expect(end).toMatchObject({ code: 0, signal: null, timedOut: false })
    return JSON.parse(end.stdout)
  }

  it.each(models)('instruction sets give the same bits: %s %s by %s', async (size, arch, quant) => {
    const model = await standinPath({ size, arch })
    const best = await underIsa(model, '', quant)
    expect(best.quantization).toBe(quant)
    const ran = new Map([[best.isa, best.bits]])
    for (const isa of ISAS) {
      if (ran.has(isa)) continue
      const { isa: used, bits } = await underIsa(model, isa, quant)
      // what this machine does not have is ignored, with the best in its place
      if (!ran.has(used)) ran.set(used, bits)
    }
    console.info(`${size} ${arch} by ${quant}: ${[...ran.keys()].join(', ')}`)
    expect(ran.size).toBeGreaterThan(1)
    for (const [isa, bits] of ran) expect(bits, isa).toEqual(best.bits)
  })
}

export function fixedPointIsExact(
  sizes: readonly [size: 'tiny' | 'small', rounds: number][],
): void {
  // chosen when the addon is loaded, so in a process of its own
  it.each(sizes)('scales in fixed point give the bits of alone: %s', async (size, rounds) => {
    const model = await standinPath({ size })
    const pool = size === 'tiny' ? texts() : texts().filter((text) => text.length < 700)
    const end = await runModule(
      `${importPackage}
        import { createHash } from 'node:crypto'
        const pool = ${JSON.stringify(pool)}
        const model = ${JSON.stringify(model)}
        const load = (options) => Embedder.load({ model, cache: false, ...options })
        const embedders = await Promise.all([load({ threads: 1 }), load({ threads: 2 }), load({ batchTokens: 64 })])
        const outputs = { dense: true, sparse: true, colbert: true }
        const bits = ({ dense, sparse, colbert }) => {
          const hash = createHash('sha1')
          for (const { buffer, byteOffset, byteLength } of [dense, sparse.indices, sparse.values, colbert.data]) {
            hash.update(new Uint8Array(buffer, byteOffset, byteLength))
          }
          return hash.digest('base64')
        }
        const alone = []
        for (const text of pool) alone.push(bits(await embedders[0].embed(text, { outputs })))
        let state = 1
        const random = (n) => (state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff, (state >>> 8) % n)
        let compared = 0, differing = 0
        for (let round = 0; round < ${rounds}; round++) {
          const mix = Array.from({ length: 1 + random(12) }, () => random(pool.length))
          const found = await embedders[round % 3].embed(mix.map((i) => pool[i]), { outputs })
          for (const [at, i] of mix.entries()) {
            compared++
            if (bits(found[at]) !== alone[i]) differing++
          }
        }
        const { quantization } = embedders[0].info
        console.log(JSON.stringify({ quantization, compared, differing, distinct: new Set(alone).size }))
        await Promise.all(embedders.map((m3) => m3.dispose()))`,
      { env: { ...process.env, BGE_M3_QUANT: 'fixed' }, deadline: 300_000 },
    )
    expect(end, end.stderr).toMatchObject({ code: 0, signal: null, timedOut: false })
    const found = JSON.parse(end.stdout)
    expect(found).toMatchObject({ quantization: 'fixed', differing: 0 })
    expect(found.distinct).toBe(new Set(pool).size)
    expect(found.compared).toBeGreaterThan(rounds)
  })
}
