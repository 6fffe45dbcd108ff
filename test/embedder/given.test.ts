import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { chunkText, Embedder, InvalidInputError, ModelNotFoundError } from '../../lib/index.js'
import { environmentName, OPTION_NAMES, OPTIONS } from '../../lib/options/table.js'
import { tinyPath } from '../helpers/standins.js'

let path: string
let m3: Embedder
beforeAll(async () => {
  path = await tinyPath()
  m3 = await Embedder.load({ model: path, cache: false })
})
afterAll(() => m3.dispose())
afterEach(() => vi.unstubAllEnvs())

/** As JavaScript, which knows no types. */
const given = (value: unknown) => value as never
const refused = async (run: () => unknown, message: RegExp | string) => {
  const error = await (async () => run())().catch((caught: Error) => caught)
  expect(error).toBeInstanceOf(InvalidInputError)
  expect((error as Error).message).toMatch(message)
}

describe('variables that shape a result', () => {
  const VALUES = {
    BGE_M3_OUTPUTS: 'sparse',
    BGE_M3_PROMPT: 'query',
    BGE_M3_PRECISION: 'binary',
    BGE_M3_DIMENSIONS: '8',
    BGE_M3_NORMALIZE: 'off',
    BGE_M3_TRUNCATE: 'end',
    BGE_M3_ON_ERROR: 'collect',
    BGE_M3_MAX_TOKENS: '3',
  }

  it('are these', () => {
    const shaping = OPTION_NAMES.filter((name) => OPTIONS[name].shapesResult)
    expect(shaping.map(environmentName).sort()).toEqual(Object.keys(VALUES).sort())
  })

  it('count for nothing in a program, also when they are wrong, and diagnose says so', async () => {
    const before = await m3.embed('a text of some words')
    for (const [name, value] of Object.entries(VALUES)) vi.stubEnv(name, value)
    const loaded = await Embedder.load({ model: path, cache: false })
    try {
      const after = await loaded.embed('a text of some words')
      expect(after.dense).toEqual(before.dense)
      expect(Object.keys(after).sort()).toEqual(Object.keys(before).sort())
      await expect(loaded.embed(['a', given(5)])).rejects.toMatchObject({ code: 'BATCH' })
      expect(loaded.info.maxTokens).toBe(m3.info.maxTokens)
      const { findings } = await loaded.diagnose()
      const finding = findings.find(({ check }) => check === 'environment')
      expect(finding).toMatchObject({ status: 'warn' })
      for (const name of Object.keys(VALUES)) expect(finding?.detail).toContain(name)
    } finally {
      await loaded.dispose()
    }
    vi.stubEnv('BGE_M3_PRECISION', 'float63')
    await (await Embedder.load({ model: path })).dispose()
  })

  it('are heard by nobody else: the others still set a load', async () => {
    vi.stubEnv('BGE_M3_THREADS', '1')
    const loaded = await Embedder.load({ model: path })
    expect(loaded.info.threads).toBe(1)
    await loaded.dispose()
    expect((await m3.diagnose()).findings).toContainEqual(
      expect.objectContaining({ check: 'environment', status: 'ok' }),
    )
  })
})

describe('options that nobody reads are refused', () => {
  const calls: [string, (options: never) => unknown][] = [
    ['embed', (options) => m3.embed('a', options)],
    ['embed', (options) => m3.embed(['a'], options)],
    ['embedTokens', (options) => m3.embedTokens([[5]], options)],
    ['embedStream', (options) => m3.embedStream(['a'], options)],
    ['embedChunks', (options) => m3.embedChunks(['a'], options)],
    ['embedDocuments', (options) => m3.embedDocuments({ a: ['a'] }, options)],
    ['estimate', (options) => m3.estimate(['a'], options)],
  ]
  it.each(calls)('by %s', async (name, call) => {
    await refused(() => call(given({ output: { sparse: true } })), /Did you mean outputs\?/)
    await refused(() => call(given({ truncat: 'end' })), `${name} has no option \`truncat\``)
    await refused(() => call(given({ dimension: 8 })), /Did you mean dimensions\?/)
    await refused(() => call(given({ outputs: { dens: true } })), /not \{ dens \}/)
    await refused(() => call(given({ timeout: 'soon' })), /not "soon"\.$/)
    for (const wrong of [null, 5, 'dense', []]) await refused(() => call(given(wrong)), /object/)
    await refused(() => call(given({ signal: 5 })), /`signal` must be/)
    await refused(() => call(given({ onProgress: 'x' })), /`onProgress` must be a function/)
  })

  it('by tokenize, load, swapModel and chunkText', async () => {
    await refused(() => m3.tokenize('a', given({ max: 5 })), /tokenize has no option/)
    await refused(() => m3.tokenize('a', given(null)), /must be an object/)
    await refused(
      () => m3.tokenStates(['a'], given({ dimensions: 8 })),
      /tokenStates has no option/,
    )
    await refused(() => m3.tokenStates(['a'], given(null)), /must be an object/)
    await refused(() => Embedder.load(given({ modelPath: path })), /Did you mean model\?/)
    await refused(() => Embedder.load(given({ model: path, truncate: 'end' })), /no option/)
    await refused(() => Embedder.load(given(null)), /must be an object/)
    await refused(() => Embedder.load(given({ model: path, logger: 5 })), /`logger`/)
    await refused(() => m3.swapModel(given({ modle: path })), /Did you mean model\?/)
    await refused(() => m3.swapModel(given(null)), /must be an object/)
    await refused(() => chunkText('a', given({ tokenizer: m3, maxToken: 9 })), /mean maxTokens/)
  })
})

describe('what is no list of token ids', () => {
  it.each([
    [[0, 10, 2], /at index 0 must be an array of ids, not of type number/],
    [Uint32Array.of(0, 10, 2), /array with the token ids of each text/],
    [['12'], /at index 0 must be an array of ids, not of type string/],
    [[{ length: 2 }], /of type object/],
    [null, /array with/],
    [{ length: 1 }, /array with/],
    [[null], /of type null/],
  ])('is refused: %j', async (ids, message) => {
    await refused(() => m3.embedTokens(given(ids)), message)
  })

  it('and arrays and typed arrays of ids are not', async () => {
    const { ids } = await m3.tokenize('some words')
    const [a, b] = await m3.embedTokens([Array.from(ids), ids])
    expect(a?.dense).toEqual(b?.dense)
  })
})

it('every method of a disposed embedder rejects, and throws nothing', async () => {
  const gone = await Embedder.load({ model: path })
  await gone.dispose()
  for (const call of [
    () => gone.diagnose(),
    () => gone.embed('a'),
    () => gone.embedTokens([[5]]),
    () => gone.tokenStates(['a']),
    () => gone.estimate(['a']),
    () => gone.warmup(),
    () => gone.swapModel({ model: path }),
  ]) {
    await expect(call()).rejects.toMatchObject({ code: 'DISPOSED' })
  }
})

describe('a path that is named', () => {
  const missing = join(tmpdir(), 'no', 'such.gguf')
  const nothing = async () => [] as never
  it('and missing is an error, fallback or not', async () => {
    for (const fallback of [path, nothing]) {
      await expect(Embedder.load({ model: missing, fallback })).rejects.toThrow(ModelNotFoundError)
      await expect(Embedder.load({ model: missing, fallback, lazy: true })).rejects.toThrow(
        ModelNotFoundError,
      )
      await expect(Embedder.load({ model: path, heads: missing, fallback })).rejects.toThrow(
        ModelNotFoundError,
      )
      vi.stubEnv('BGE_M3_MODEL', missing)
      await expect(Embedder.load({ fallback })).rejects.toThrow(/BGE_M3_MODEL names/)
      vi.unstubAllEnvs()
    }
    await expect(Embedder.load({ model: path, fallback: missing })).rejects.toThrow(
      /`fallback` option names/,
    )
  })

  it('may be a file: URL', async () => {
    for (const model of [pathToFileURL(path), pathToFileURL(path).href]) {
      const loaded = await Embedder.load({ model })
      expect(loaded.info.model).toBe(path)
      await loaded.dispose()
    }
    await refused(() => Embedder.load({ model: new URL('https://x/y.gguf') }), /must be a path/)
  })
})
