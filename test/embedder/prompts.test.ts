/** What goes in front of a text: the law is that a prompt and its text are one string. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { InputTooLongError, InvalidInputError, ModelLoadError } from '../../lib/common/errors.js'
import { Embedder } from '../../lib/embedder/embedder.js'
import { embeddingModel } from '../../lib/integrations/frameworks/ai-sdk.js'
import { BgeM3EmbeddingFunction } from '../../lib/integrations/frameworks/chroma.js'
import { BgeM3Embeddings } from '../../lib/integrations/frameworks/langchain.js'
import { llamaIndexEmbedding } from '../../lib/integrations/frameworks/llamaindex.js'
import { convertCheckpoint } from '../../lib/model/convert/convert.js'
import { settingsOf } from '../../lib/model/file-settings.js'
import { promptText } from '../../lib/model/prompts.js'
import { writeSidecar } from '../../lib/model/sidecar.js'
import { cli, jsonLines } from '../apps/cli/run.js'
import { testServer } from '../apps/server/helper.js'
import { standinPath } from '../helpers/standins.js'
import { Workspace } from '../integrations/search/helpers.js'
import { writeCheckpoint } from '../model/writers/checkpoint.js'

const promptsOf = async (path: string) => (await settingsOf(path)).prompts

const PROMPTS = { query: 'query: ', passage: 'passage: ', odd: 'Ünïcode\nline: ', empty: '' }
const TEXTS = ['', 'hello', ' two  words', 'naïve 東京', 'a\nb']
const WHOLE = { prompt: { text: '' } } as const
const CONFIG = 'config_sentence_transformers.json'

let directory: string
let plain: Embedder
let prompted: Embedder
let withDefault: Embedder
const at = (name: string) => join(directory, name)

async function convert(name: string, about: object | undefined): Promise<string> {
  const file = at(CONFIG)
  if (about) await writeFile(file, JSON.stringify(about))
  else await rm(file, { force: true })
  const { path } = await convertCheckpoint(directory, { output: at(name), name: 'same' })
  return path
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bge-m3-prompts-'))
  await writeCheckpoint(await standinPath({ size: 'tiny', type: 'f32', vocabSize: 600 }), directory)
  const paths = [
    await convert('plain.gguf', undefined),
    await convert('prompted.gguf', { prompts: PROMPTS, default_prompt_name: null }),
    await convert('default.gguf', { prompts: PROMPTS, default_prompt_name: 'odd' }),
  ]
  const load = (model: string) => Embedder.load({ model })
  ;[plain, prompted, withDefault] = (await Promise.all(paths.map(load))) as [
    Embedder,
    Embedder,
    Embedder,
  ]
})
afterAll(async () => {
  await Promise.all([plain, prompted, withDefault].map((one) => one.dispose()))
  await rm(directory, { recursive: true })
})

const bits = (vector: ArrayLike<number> | undefined | null) => Array.from(vector ?? [])

describe('a prompt', () => {
  it.each(Object.keys(PROMPTS))(
    'and its text are one string, in every output: %s',
    async (name) => {
      const front = PROMPTS[name as keyof typeof PROMPTS]
      const options = { outputs: 'all', cache: false } as const
      const own = await prompted.embed(TEXTS, { ...options, prompt: name })
      const given = await prompted.embed(TEXTS, { ...options, prompt: { text: front } })
      const whole = await plain.embed(
        TEXTS.map((text) => front + text),
        options,
      )
      own.forEach((one, i) => {
        const other = whole[i]
        expect(bits(one.dense)).toEqual(bits(other?.dense))
        expect(bits(one.sparse.values)).toEqual(bits(other?.sparse.values))
        expect(bits(one.colbert.data)).toEqual(bits(other?.colbert.data))
        expect(one.tokenCount).toBe(other?.tokenCount)
        expect(bits(given[i]?.dense)).toEqual(bits(one.dense))
      })
    },
  )

  it('is the model’s default where nothing is said, and none where the model has no default', async () => {
    for (const text of TEXTS) {
      const usual = await withDefault.embed(text)
      expect(bits(usual.dense)).toEqual(bits((await plain.embed(PROMPTS.odd + text)).dense))
      expect(bits((await prompted.embed(text)).dense)).toEqual(
        bits((await plain.embed(text)).dense),
      )
      const none = await withDefault.embed(text, WHOLE)
      expect(bits(none.dense)).toEqual(bits((await plain.embed(text)).dense))
    }
  })

  it('is none for a model without prompts, as bge-m3 is, and another name is refused', async () => {
    for (const prompt of ['query', 'passage', 'document']) {
      const { dense } = await plain.embed('hello', { prompt })
      expect(bits(dense)).toEqual(bits((await plain.embed('hello')).dense))
    }
    await expect(plain.embed('hello', { prompt: 'odd' })).rejects.toThrow(/it has none/)
    const error = prompted.embed('hello', { prompt: 'constructor' })
    await expect(error).rejects.toThrow(InvalidInputError)
    await expect(error).rejects.toThrow(
      /no prompt "constructor": it has query, passage, odd, empty/,
    )
  })

  it.each([7, '', null, { text: 7 }, { text: 'x', more: 1 }, {}, { text: '\ud800' }, 'a secret\n'])(
    'must be a name or a text, and what is none is not told: %j',
    async (prompt) => {
      const error = plain.embed('hello', { prompt: prompt as never })
      await expect(error).rejects.toThrow(InvalidInputError)
      await expect(error).rejects.not.toThrow(/secret/)
    },
  )

  it('counts in the limit of tokens, in estimates and in what is told of the model', async () => {
    const { tokenCount } = await plain.embed('hello')
    const error = prompted.embed('hello', { prompt: 'query', maxTokens: tokenCount })
    await expect(error).rejects.toThrow(InputTooLongError)
    const { tokens } = await prompted.estimate(['hello'], { prompt: 'query' })
    expect(tokens).toBe((await plain.embed('query: hello')).tokenCount)
    expect(prompted.info).toMatchObject({ prompts: PROMPTS, defaultPrompt: undefined })
    expect(withDefault.info.defaultPrompt).toBe('odd')
    expect(plain.info.prompts).toEqual({})
  })

  it('parts what the cache has of one text', async () => {
    const first = await prompted.embed('cached', { prompt: 'query' })
    const other = await prompted.embed('cached', { prompt: 'passage' })
    expect(other.cached).toBe(false)
    expect(bits(other.dense)).not.toEqual(bits(first.dense))
    const again = await prompted.embed('cached', { prompt: 'query' })
    expect(again.cached).toBe(true)
    expect(bits(again.dense)).toEqual(bits(first.dense))
  })

  it('does not go in front of tokens', async () => {
    const ids = [...(await plain.tokenize('hello')).ids]
    const [tokens] = await withDefault.embedTokens([ids])
    expect(bits(tokens?.dense)).toEqual(bits((await plain.embed('hello')).dense))
    await expect(plain.embedTokens([ids], { prompt: 'query' })).rejects.toThrow(InvalidInputError)
  })
})

describe('the sides of retrieval', () => {
  const query = async (text: string) => bits((await plain.embed(`query: ${text}`)).dense)
  const passage = async (text: string) => bits((await plain.embed(`passage: ${text}`)).dense)

  it('are told apart by chunks, documents and streams', async () => {
    const { items } = await prompted.embedChunks(['hello'])
    expect(bits(items[0]?.embedding.dense)).toEqual(await passage('hello'))
    const documents = await prompted.embedDocuments({ a: ['hello'] })
    expect(bits(documents.get('a')?.items[0]?.embedding.dense)).toEqual(await passage('hello'))
    for await (const item of prompted.embedStream(['hello'])) {
      expect(bits(item.embedding.dense)).toEqual(await passage('hello'))
      expect(item.model).toBe(prompted.info.fingerprint)
    }
  })

  it('are told apart by LangChain, LlamaIndex, Chroma and the AI SDK', async () => {
    const chain = new BgeM3Embeddings(prompted)
    expect(await chain.embedQuery('hello')).toEqual(await query('hello'))
    expect(await chain.embedDocuments(['hello'])).toEqual([await passage('hello')])
    const llama = await llamaIndexEmbedding(prompted)
    expect(await llama.getQueryEmbedding({ type: 'text', text: 'hello' })).toEqual(
      await query('hello'),
    )
    expect(await llama.getTextEmbedding('hello')).toEqual(await passage('hello'))
    expect(await llama.getTextEmbeddings(['hello'])).toEqual([await passage('hello')])
    const chroma = new BgeM3EmbeddingFunction({ embedder: prompted })
    expect(await chroma.generateForQueries(['hello'])).toEqual([await query('hello')])
    expect(await chroma.generate(['hello'])).toEqual([await passage('hello')])
    const sdk = embeddingModel(prompted, { side: 'query' })
    expect((await sdk.doEmbed({ values: ['hello'] })).embeddings).toEqual([await query('hello')])
    const neither = embeddingModel(prompted)
    const whole = bits((await plain.embed('hello')).dense)
    expect((await neither.doEmbed({ values: ['hello'] })).embeddings).toEqual([whole])
    expect(() => embeddingModel(prompted, { side: 'odd' as never })).toThrow(InvalidInputError)
  })

  it('are told apart by commands', async () => {
    const args = ['--model', at('prompted.gguf')]
    const embedded = await cli(['embed', 'hello', '--prompt', 'query', ...args])
    expect(jsonLines(embedded.stdout)[0].dense.map(Math.fround)).toEqual(await query('hello'))
    const scored = await cli(['score', 'hello', 'there', '--json', ...args])
    const [a, b] = [await query('hello'), await passage('there')]
    const cosine = a.reduce((sum, value, i) => sum + value * (b[i] as number), 0)
    expect(JSON.parse(scored.stdout).scores[0].dense).toBeCloseTo(cosine, 6)
    const info = await cli(['model', 'info', at('prompted.gguf')])
    expect(info.stdout).toMatch(/^prompts +query "query: ", passage "passage: "/m)
  })

  it('are told apart by the search index', async () => {
    const work = await Workspace.make()
    try {
      await work.put('there.txt', 'there')
      const index = await work.index(prompted)
      await index.update(work.docs)
      const [hit] = await index.search('hello', { mode: 'dense' })
      const [a, b] = [await query('hello'), await passage('there')]
      const cosine = a.reduce((sum, value, i) => sum + value * (b[i] as number), 0)
      expect(hit?.score).toBeCloseTo(cosine, 3)
    } finally {
      await work.remove()
    }
  })

  it('go in front of both sides where texts are ranked, here and by the server', async () => {
    const query = 'hello there'
    const documents = ['hello', 'naïve 東京', 'two words']
    const behind = [PROMPTS.query + query, documents.map((text) => PROMPTS.passage + text)] as const
    const expected = await plain.rerank(...behind)
    expect(await prompted.rerank(query, documents)).toEqual(expected)
    const [ours, theirs] = await Promise.all(
      [prompted, plain].map((embedder) => testServer({ embedder })),
    )
    for (const path of ['/v1/rerank', '/similarity'] as const) {
      const name = path === '/similarity' ? 'passages' : 'documents'
      const got = await ours?.post(path, { query, [name]: documents })
      const want = await theirs?.post(path, { query: behind[0], [name]: behind[1] })
      expect(got?.status).toBe(200)
      const { id: _, ...answer } = got?.json ?? {}
      const { id: __, ...whole } = want?.json ?? {}
      expect(answer).toEqual(whole)
    }
    await Promise.all([ours, theirs].map((server) => server?.close()))
  })

  it('are told by the name of a prompt to the server', async () => {
    const served = await testServer({ embedder: prompted })
    try {
      const tei = { inputs: 'hello', prompt_name: 'query' }
      const embedded = await served.post('/embed', tei)
      expect(embedded.json[0].map(Math.fround)).toEqual(await query('hello'))
      const openai = { input: 'hello', prompt_name: 'passage' }
      const { json } = await served.post('/v1/embeddings', openai)
      expect(json.data[0].embedding.map(Math.fround)).toEqual(await passage('hello'))
      const none = await served.post('/embed', { inputs: 'hello', prompt_name: 'none' })
      expect(none.status).toBeGreaterThanOrEqual(400)
      expect(none.status).toBeLessThan(500)
    } finally {
      await served.close()
    }
  })

  it('fall back as sentence-transformers does', () => {
    const texts = { document: 'd: ', usual: 'u: ' }
    expect(promptText({ texts }, 'passage')).toBe('d: ')
    expect(promptText({ texts }, 'query')).toBe('')
    expect(promptText({ texts, default: 'usual' }, 'query')).toBe('u: ')
    expect(promptText({ texts: { passage: 'p: ' } }, 'document')).toBe('p: ')
    expect(promptText({ texts: { corpus: 'c: ' } }, 'document')).toBe('c: ')
  })
})

describe('fingerprints', () => {
  it('differ with the prompts of a model, and with another prompt of documents', async () => {
    const all = [plain, prompted, withDefault].map(({ info }) => info.fingerprint)
    expect(new Set(all).size).toBe(3)
    const modelOf = async (prompt?: string | { text: string }) =>
      (await prompted.embedChunks(['x'], { prompt })).items[0]?.model
    const { fingerprint } = prompted.info
    expect(await modelOf()).toBe(fingerprint)
    expect(await modelOf('document')).toBe(fingerprint)
    expect(await modelOf({ text: 'passage: ' })).toBe(fingerprint)
    expect(await modelOf('query')).toMatch(new RegExp(`^${fingerprint}\\+[0-9a-f]{8}$`))
    expect(await modelOf({ text: 'x' })).not.toBe(await modelOf('query'))
  })
})

describe('where prompts come from', () => {
  it('is the file, else the table of names by the repository it was fetched from', async () => {
    expect(await promptsOf(at('default.gguf'))).toEqual({ texts: PROMPTS, default: 'odd' })
    const path = at('plain.gguf')
    expect(await promptsOf(path)).toEqual({ texts: {} })
    const record = { url: '', revision: 'main', size: 1, sha256: '0'.repeat(64), date: '' }
    await writeSidecar(path, { ...record, repository: 'intfloat/multilingual-e5-base' })
    expect((await promptsOf(path)).texts).toEqual({ query: 'query: ', passage: 'passage: ' })
    await writeSidecar(path, { ...record, repository: 'CompendiumLabs/bge-small-en-v1.5-gguf' })
    expect((await promptsOf(path)).texts.query).toMatch(/^Represent this sentence/)
    await writeSidecar(path, { ...record, repository: 'o/r' })
    expect((await promptsOf(path)).texts).toEqual({})
  })

  it.each([
    { prompts: { query: 7 } },
    { prompts: ['query: '] },
    { prompts: {}, default_prompt_name: 'query' },
    { prompts: { query: 'x'.repeat(20_000) } },
  ])('refuses what sentence-transformers would not write: %j', async (about) => {
    await expect(convert('bad.gguf', about)).rejects.toThrow(ModelLoadError)
  })
})
