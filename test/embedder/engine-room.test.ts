/** What many callers of one embedder see: sharing, turns, memory, caches, fallbacks, idling. */
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  Embedder,
  type EmbedderError,
  type Embedding,
  type EmbedOptions,
  InferenceError,
  InvalidInputError,
  MemoryLimitError,
  ModelNotFoundError,
  type Precision,
  QueueFullError,
} from '../../lib/index.js'
import { root, runModule } from '../helpers/child.js'
import { standinPath } from '../helpers/standins.js'
import { mixedTexts } from '../helpers/texts.js'
import { until } from '../helpers/until.js'

let model: string
let minilm: string
let folder: string
/** A file that is there and no model: one that is missing is an error, fallback or not. */
let broken: string

beforeAll(async () => {
  model = await standinPath({ size: 'tiny' })
  minilm = await standinPath({ size: 'tiny', arch: 'minilm' })
  folder = await mkdtemp(join(tmpdir(), 'bge-m3-room-'))
  broken = join(folder, 'broken.gguf')
  await writeFile(broken, 'no model')
})

afterAll(() => rm(folder, { recursive: true, force: true }))

/** A name for the bits of the whole buffer, so that a view into another's would show. */
const bits = (embedding: Embedding | undefined) =>
  createHash('sha1')
    .update(
      new Uint8Array((embedding as Embedding<'float32'> & { dense: Float32Array }).dense.buffer),
    )
    .digest('base64')

async function withEmbedder<T>(
  options: Parameters<typeof Embedder.load>[0],
  work: (m3: Embedder) => Promise<T>,
): Promise<T> {
  const m3 = await Embedder.load({ model, ...options })
  try {
    return await work(m3)
  } finally {
    await m3.dispose()
  }
}

describe('identical texts in flight', () => {
  it('are computed once, and each caller gets arrays of its own', () =>
    withEmbedder({ cache: false }, async (m3) => {
      const text = mixedTexts(1)[0] as string
      const same = await m3.embed(Array(100).fill(text) as string[])
      expect(m3.stats()).toMatchObject({ texts: 1, shared: 99 })
      const first = bits(same[0])
      expect(same.every((embedding) => bits(embedding) === first)).toBe(true)
      const [mine] = same
      mine?.dense?.fill(0)
      expect(bits(same[1])).toBe(first)
    }))

  it('are told apart by the outputs that are asked for', () =>
    withEmbedder({ cache: false }, async (m3) => {
      const [dense, all] = await Promise.all([
        m3.embed('one text'),
        m3.embed('one text', { outputs: { dense: true, sparse: true } }),
      ])
      expect(dense).not.toHaveProperty('sparse')
      expect(all.sparse).toBeDefined()
      expect(bits(dense)).toBe(bits(all))
    }))
})

describe('the event loop', () => {
  const loops: Record<string, (m3: Embedder) => Promise<unknown>> = {
    'cached texts': (m3) => m3.embed('cached'),
    'texts that are refused': (m3) =>
      m3.embed('some more words than three', { maxTokens: 3 }).catch(() => {}),
    'texts that are none': (m3) => m3.embed('\ud800').catch(() => {}),
    'texts that are tokenized': (m3) => m3.tokenize('two words'),
    'texts that are counted': (m3) => m3.countTokens(['two words']),
    estimates: (m3) => m3.estimate(['cached']).catch(() => {}),
  }
  it.each(Object.entries(loops))(
    'turns while somebody awaits one after the other: %s',
    async (_name, one) => {
      const m3 = await Embedder.load({ model })
      await m3.embed('cached')
      await one(m3)
      let turns = 0
      const timer = setInterval(() => {
        turns++
      }, 5)
      const end = performance.now() + 200
      while (performance.now() < end) await one(m3)
      clearInterval(timer)
      await m3.dispose()
      expect(turns).toBeGreaterThan(3)
    },
  )
})

describe('turns', () => {
  it('a query is answered while a bulk job goes on, and a bulk caller before another one’s end', () =>
    withEmbedder({ cache: false }, async (m3) => {
      const ended: string[] = []
      const million = m3
        .embed(
          mixedTexts(600).map((text, i) => `${i} ${text}`),
          { priority: 'bulk' },
        )
        .then(() => ended.push('million'))
      await until(() => m3.stats().batches > 0)
      await m3.embed('a query').then(() => ended.push('query'))
      await m3.embed('another', { priority: 'bulk' }).then(() => ended.push('small'))
      await million
      expect(ended).toEqual(['query', 'small', 'million'])
    }))

  it('every result says where its time went', () =>
    withEmbedder({ cache: false }, async (m3) => {
      for (const { timings } of await m3.embed(mixedTexts(20))) {
        const { tokenizeMs, queueMs, computeMs, totalMs } = timings
        expect(tokenizeMs).toBeGreaterThan(0)
        expect(queueMs).toBeGreaterThanOrEqual(0)
        expect(computeMs).toBeGreaterThan(0)
        expect(totalMs).toBeGreaterThanOrEqual(computeMs)
      }
      const { computeMs, queueMs, tokenizeMs } = m3.stats()
      expect(Math.min(computeMs, queueMs, tokenizeMs)).toBeGreaterThan(0)
    }))

  it('a queue that is full refuses the call, and takes the next one when it is empty', () =>
    withEmbedder({ cache: false, maxPending: 250 }, async (m3) => {
      const texts = mixedTexts(200).map((text, i) => `${i} ${text}`)
      const first = m3.embed(texts)
      await until(() => m3.stats().pending > 50)
      const error = await m3.embed(texts.map((text) => `again ${text}`)).catch((e) => e)
      expect(error).toBeInstanceOf(QueueFullError)
      expect(error.message).toMatch(/maxPending is 250/)
      await first
      expect(await m3.embed(texts)).toHaveLength(200)
    }))
})

describe('large arrays', () => {
  it('are tokenized beside the engine, with the same bits', () =>
    withEmbedder({ cache: false }, async (m3) => {
      // 17 million letters: over what is kept from the check
      const filler = 'lorem ipsum dolor sit amet '.repeat(600)
      const texts = Array.from({ length: 1100 }, (_, i) => `${i} ${filler}`)
      const found = await m3.embed(texts, { truncate: 'end', maxTokens: 12 })
      expect(found).toHaveLength(1100)
      expect(found.every(({ truncated, tokenCount }) => truncated && tokenCount === 12)).toBe(true)
      const alone = await m3.embed(texts[777] as string, { truncate: 'end', maxTokens: 12 })
      expect(bits(found[777])).toBe(bits(alone))
      // and a text that is too long is found before any work
      const before = m3.stats().texts
      await expect(m3.embed(texts, { maxTokens: 100 })).rejects.toMatchObject({ code: 'BATCH' })
      expect(m3.stats().texts).toBe(before)
    }))
})

describe('the memory limit', () => {
  it('is too small for the weights: an error at load that names it', async () => {
    const small = await standinPath({ size: 'small' })
    const error = await Embedder.load({ model: small, memoryLimit: '300MB' }).catch((e) => e)
    expect(error).toBeInstanceOf(MemoryLimitError)
    expect(error.message).toMatch(/300\.0 MB/)
  })

  it('is too small for a text: that text alone is refused', () =>
    withEmbedder({ memoryLimit: '200MB' }, async (m3) => {
      const long = 'word '.repeat(8000)
      const [short, refused] = await m3.embed(['short', long], { onError: 'collect' })
      expect(short).toHaveProperty('dense')
      expect(refused).toBeInstanceOf(MemoryLimitError)
      expect((refused as EmbedderError).message).toMatch(/index 1 has 80\d\d tokens.*200\.0 MB/)
      await expect(m3.embed(long)).rejects.toThrow(/memoryLimit/)
    }))

  it('is too small for the results of a call: refused before any work', () =>
    withEmbedder({ memoryLimit: '180MB', cache: false }, async (m3) => {
      const texts = Array.from({ length: 200_000 }, (_, i) => `${i}`)
      const error = await m3.embed(texts).catch((e) => e)
      expect(error).toBeInstanceOf(MemoryLimitError)
      expect(error.message).toMatch(/embedStream/)
      expect(m3.stats().texts).toBe(0)
    }))

  it('lets calls wait for each other instead of failing', () =>
    withEmbedder({ memoryLimit: '120MB', cache: false }, async (m3) => {
      const { memory } = m3.stats()
      expect(memory.limit).toBe(120e6)
      const calls = Array.from({ length: 40 }, (_, i) =>
        m3.embed(
          mixedTexts(24).map((text) => `${i} ${text}`),
          { outputs: { colbert: true } },
        ),
      )
      const all = Promise.all(calls)
      let waited = 0
      const watch = setInterval(() => {
        waited = Math.max(waited, m3.stats().memory.waitingCalls)
      }, 5)
      const results = await all.finally(() => clearInterval(watch))
      expect(waited).toBeGreaterThan(0)
      for (const found of results) expect(found).toHaveLength(24)
      expect(m3.stats().memory).toMatchObject({ results: 0, waitingCalls: 0 })
    }))
})

describe('the cache', () => {
  it('gives the same bits for every precision, cut and output', () =>
    withEmbedder({}, async (m3) => {
      const texts = mixedTexts(8)
      const variants: Omit<EmbedOptions, 'onError'>[] = [
        {},
        { normalize: false },
        { dimensions: 16 },
        { precision: 'int8' as const },
        { outputs: { dense: true, sparse: true, colbert: true } },
        { outputs: { sparse: true }, truncate: 'end' as const, maxTokens: 20 },
      ]
      for (const options of variants) {
        const computed = await m3.embed(texts, { ...options, cache: false })
        await m3.embed(texts, options)
        const again = await m3.embed(texts, options)
        again.forEach((embedding, i) => {
          expect(embedding.cached).toBe(true)
          const { timings: _, cached: __, ...rest } = embedding
          const { timings: ___, cached: ____, ...expected } = computed[i] as Embedding<Precision>
          expect(rest).toEqual(expected)
        })
      }
    }))

  it('is left alone by a call that says so, and off for an embedder that says so', () =>
    withEmbedder({}, async (m3) => {
      await m3.embed('text')
      expect((await m3.embed('text')).cached).toBe(true)
      expect((await m3.embed('text', { cache: false })).cached).toBe(false)
      expect(m3.stats().cache?.hits).toBe(1)
      await withEmbedder({ cache: false }, async (other) => {
        await other.embed('text')
        expect((await other.embed('text')).cached).toBe(false)
        expect(other.stats().cache).toBeNull()
        expect(other.cache).toBeUndefined()
      })
    }))

  it('is not fooled by a user who changes a result', () =>
    withEmbedder({}, async (m3) => {
      const first = await m3.embed('text', { normalize: false })
      const expected = bits(first)
      ;(first.dense as Float32Array).fill(7)
      const second = await m3.embed('text', { normalize: false })
      expect(bits(second)).toBe(expected)
      ;(second.dense as Float32Array).fill(8)
      expect(bits(await m3.embed('text', { normalize: false }))).toBe(expected)
    }))

  it('refuses a text over the limit though a longer limit has cached it', () =>
    withEmbedder({}, async (m3) => {
      const text = 'one two three four five six seven eight'
      await m3.embed(text)
      await expect(m3.embed(text, { maxTokens: 5 })).rejects.toMatchObject({
        code: 'INPUT_TOO_LONG',
      })
      const cut = await m3.embed(text, { maxTokens: 5, truncate: 'end' })
      expect(cut).toMatchObject({ truncated: true, tokenCount: 5, cached: false })
    }))

  it('on disk, outlives the embedder', async () => {
    const diskCache = join(folder, 'embeddings')
    const texts = mixedTexts(20)
    const first = await withEmbedder({ diskCache }, (m3) => m3.embed(texts))
    await withEmbedder({ diskCache, cache: false }, async (m3) => {
      const again = await m3.embed(texts)
      expect(again.every(({ cached }) => cached)).toBe(true)
      expect(again.map(bits)).toEqual(first.map(bits))
      expect(m3.stats().cache?.hitRate).toBe(1)
    })
    // another model's vectors are not found
    await withEmbedder({ model: minilm, diskCache }, async (other) => {
      expect((await other.embed(texts, { truncate: 'end' })).some(({ cached }) => cached)).toBe(
        false,
      )
    })
  })
})

describe('the fallback', () => {
  it('another model takes over when ours cannot be loaded, and results say so', async () => {
    const warnings: string[] = []
    const logger = { warn: (line: string) => warnings.push(line) }
    await withEmbedder({ model: broken, fallback: minilm, logger }, async (m3) => {
      const { fingerprint } = m3.info
      const result = await m3.embed('text')
      expect(result.fallback).toBe(fingerprint)
      expect(result.dense).toHaveLength(m3.info.dimensions)
      expect(await m3.countTokens('text')).toBeGreaterThan(2)
      expect(m3.stats().fallbacks).toBe(1)
    })
    expect(warnings.join()).toMatch(/MODEL_LOAD.*fallback/)
  })

  it('a function takes over for the texts that fail, and for these alone', async () => {
    const asked: number[] = []
    const fallback = async (texts: readonly string[]) => {
      asked.push(texts.length)
      return texts.map(() => ({ dense: new Float32Array(3), tokenCount: 1, truncated: false }))
    }
    await withEmbedder({ memoryLimit: '200MB', fallback }, async (m3) => {
      const [short, long] = await m3.embed(['short', 'word '.repeat(8000)])
      expect(short?.fallback).toBeUndefined()
      expect(long).toMatchObject({ fallback: 'function', tokenCount: 1, cached: false })
      // what is wrong with the input is wrong for every model
      await expect(m3.embed(7 as unknown as string)).rejects.toBeInstanceOf(InvalidInputError)
    })
    expect(asked).toEqual([1])
  })

  it('that fails as well leaves the first error, for one text as for the model', async () => {
    const fallback = async () => {
      throw new Error('no network')
    }
    await withEmbedder({ memoryLimit: '200MB', fallback }, async (m3) => {
      await expect(m3.embed('word '.repeat(8000))).rejects.toBeInstanceOf(MemoryLimitError)
    })
    await withEmbedder({ model: broken, fallback }, async (m3) => {
      await expect(m3.embed('text')).rejects.toThrow('no network')
    })
    await withEmbedder({ model: broken, fallback: async () => [] }, async (m3) => {
      await expect(m3.embed('text')).rejects.toBeInstanceOf(InferenceError)
    })
    const both = Embedder.load({ model: '/nowhere.gguf', fallback: '/nowhere-either.gguf' })
    await expect(both).rejects.toBeInstanceOf(ModelNotFoundError)
  })
})

describe('idling', () => {
  it('gives the weights back after a while, and reads them again on demand', () =>
    withEmbedder({ unloadAfter: 50, cache: false }, async (m3) => {
      const before = bits(await m3.embed('text'))
      expect(m3.stats().memory.weights).toBeGreaterThan(0)
      await until(() => m3.stats().memory.weights === 0)
      expect(bits(await m3.embed('text'))).toBe(before)
    }))
})

describe('options', () => {
  it('presets decide what the user did not', async () => {
    const budgetOf = (options: object) =>
      withEmbedder(options, async (m3) => m3.stats().batchTokens)
    expect(await budgetOf({})).toBe(512)
    expect(await budgetOf({ preset: 'throughput' })).toBe(1024)
    expect(await budgetOf({ preset: 'low-memory' })).toBe(256)
    expect(await budgetOf({ preset: 'low-memory', batchTokens: 300 })).toBe(300)
  })

  it('an instruction set that is not in use is refused by name', async () => {
    const error = await Embedder.load({ model, isa: 'neon' }).catch((e) => e)
    expect(error).toBeInstanceOf(InvalidInputError)
    expect(error.message).toMatch(/neon/)
    await withEmbedder({}, (m3) => withEmbedder({ isa: m3.info.isa }, async () => {}))
  })

  it('an instruction set holds for a process whose first load is in a worker', async () => {
    const source = `import(${JSON.stringify(join(root, 'dist/index.js'))}).then(async ({ Embedder }) => {
      const m3 = await Embedder.load({ model: ${JSON.stringify(model)}, isa: 'generic' })
      console.log(m3.info.isa)
      await m3.dispose()
    })`
    const { stdout, stderr } = await runModule(`import { Worker } from 'node:worker_threads'
      new Worker(${JSON.stringify(source)}, { eval: true, execArgv: [] })`)
    expect(stdout, stderr).toBe('generic\n')
  })
})

describe('tokens instead of texts', () => {
  it('give the bits of the text, framed or not', () =>
    withEmbedder({ cache: false }, async (m3) => {
      const text = mixedTexts(1)[0] as string
      const { ids } = await m3.tokenize(text)
      const expected = bits(await m3.embed(text))
      const found = await m3.embedTokens([ids, [...ids.slice(1, -1)]])
      expect(found.map(bits)).toEqual([expected, expected])
      const [cut] = await m3.embedTokens([ids], { maxTokens: 8, truncate: 'end' })
      expect(cut).toMatchObject({ truncated: true, tokenCount: 8 })
      expect(bits(cut)).toBe(bits(await m3.embed(text, { maxTokens: 8, truncate: 'end' })))
    }))

  it('are refused when they are none', () =>
    withEmbedder({}, async (m3) => {
      for (const bad of [[-1], [1.5], [m3.info.vocabSize], ['a' as unknown as number]]) {
        await expect(m3.embedTokens([bad])).rejects.toBeInstanceOf(InvalidInputError)
      }
      await expect(m3.embedTokens([Array(9000).fill(5)])).rejects.toMatchObject({ code: 'BATCH' })
    }))
})

describe('diagnose', () => {
  it('looks at everything and runs the model', () =>
    withEmbedder({}, async (m3) => {
      const { ok, findings } = await m3.diagnose()
      expect(ok).toBe(true)
      expect(findings.map(({ check }) => check)).toEqual([
        'self-test',
        'model',
        'kernels',
        'threads',
        'memory',
        'cache',
        'environment',
      ])
      expect(findings.find(({ check }) => check === 'model')).toMatchObject({ status: 'warn' })
    }))
})
