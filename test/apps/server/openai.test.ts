/** The contract of OpenAI's embeddings API, by its official client and by plain HTTP. */
import CurrentOpenAI from 'openai'
import PreviousOpenAI from 'openai-previous'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Embedder } from '../../../lib/embedder/embedder.js'
import { standinPath } from '../../helpers/standins.js'
import { mixedTexts } from '../../helpers/texts.js'
import { type TestServer, testServer } from './helper.js'

let embedder: Embedder
let served: TestServer
beforeAll(async () => {
  embedder = await Embedder.load({ model: await standinPath({ size: 'tiny' }) })
  served = await testServer({ embedder, apiKey: ['key-one', 'key-two'], maxItems: 40 })
})
afterAll(async () => {
  await served.close()
  await embedder.dispose()
})

const dense = async (text: string, options = {}) =>
  (await embedder.embed(text, options)).dense as Float32Array

describe.each([
  ['current', CurrentOpenAI],
  ['previous', PreviousOpenAI as unknown as typeof CurrentOpenAI],
])('the official client of the %s major', (_name, OpenAI) => {
  let client: CurrentOpenAI
  beforeAll(() => {
    client = new OpenAI({ baseURL: `${served.url}/v1`, apiKey: 'key-two', maxRetries: 0 })
  })

  it('embeds a text; without a format the client asks for base64 and decodes it', async () => {
    const answer = await client.embeddings.create({
      model: 'text-embedding-3-small',
      input: 'Hallo Welt',
    })
    expect(answer.object).toBe('list')
    expect(answer.model).toBe(embedder.info.name)
    expect(answer.data).toHaveLength(1)
    expect(answer.data[0]).toMatchObject({ object: 'embedding', index: 0 })
    expect(answer.data[0]?.embedding).toEqual(Array.from(await dense('Hallo Welt')))
    const tokens = await embedder.countTokens('Hallo Welt')
    expect(answer.usage).toEqual({ prompt_tokens: tokens, total_tokens: tokens })
  })

  it('embeds arrays in order, as floats that read back bit by bit', async () => {
    const texts = mixedTexts(12)
    const { data } = await client.embeddings.create({
      model: 'any',
      input: texts,
      encoding_format: 'float',
    })
    expect(data.map(({ index }) => index)).toEqual(texts.map((_, i) => i))
    const direct = await embedder.embed(texts)
    for (const [i, { embedding }] of data.entries()) {
      expect(Float32Array.from(embedding)).toEqual(direct[i]?.dense)
    }
  })

  it('takes base64 by name, and gives it as text to who asks for it', async () => {
    const { data } = await client.embeddings.create({
      model: 'any',
      input: 'x',
      encoding_format: 'base64',
    })
    const bytes = Buffer.from(data[0]?.embedding as unknown as string, 'base64')
    const values = new Float32Array(new Uint8Array(bytes).buffer)
    expect(values).toEqual(await dense('x'))
  })

  it('cuts to dimensions', async () => {
    const { data } = await client.embeddings.create({ model: 'any', input: 'x', dimensions: 16 })
    expect(data[0]?.embedding).toEqual(Array.from(await dense('x', { dimensions: 16 })))
  })

  it("takes token ids, one text's or several", async () => {
    const ids = Array.from((await embedder.tokenize('Hallo Welt')).ids)
    const one = await client.embeddings.create({ model: 'any', input: ids })
    expect(one.data[0]?.embedding).toEqual(Array.from(await dense('Hallo Welt')))
    // without <s> and </s>, as other tokenizers give them
    const two = await client.embeddings.create({ model: 'any', input: [ids.slice(1, -1), ids] })
    expect(two.data[0]?.embedding).toEqual(one.data[0]?.embedding)
    expect(two.data[1]?.embedding).toEqual(one.data[0]?.embedding)
    expect(two.usage.prompt_tokens).toBe(2 * ids.length)
  })

  it('takes texts and token ids in one array', async () => {
    const ids = Array.from((await embedder.tokenize('Hallo Welt')).ids)
    const { json } = await served.post(
      '/v1/embeddings',
      { input: ['first', ids, 'Hallo Welt'] },
      { 'x-api-key': 'key-two' },
    )
    const vectors = json.data.map(({ embedding }: { embedding: number[] }) =>
      Float32Array.from(embedding),
    )
    const hallo = await dense('Hallo Welt')
    expect(vectors).toEqual([await dense('first'), hallo, hallo])
  })

  it('says the maximum context length where a text is too long, and cuts it when told to', async () => {
    const input = 'word '.repeat(9000)
    const refused = await client.embeddings
      .create({ model: 'any', input })
      .catch((error: unknown) => error)
    // LangChain and LiteLLM look for these words
    expect((refused as Error).message).toContain('maximum context length is 8192 tokens')
    expect((refused as Error).message).toContain('"truncate": true')
    const cut = { model: 'any', input, truncate: true }
    const { data } = await client.embeddings.create(cut)
    expect(data[0]?.embedding).toEqual(Array.from(await dense(input, { truncate: 'end' })))
  })

  it('works with a base URL without /v1', async () => {
    const bare = new OpenAI({ baseURL: served.url, apiKey: 'key-two', maxRetries: 0 })
    const { data } = await bare.embeddings.create({ model: 'any', input: 'x' })
    expect(data[0]?.embedding).toEqual(Array.from(await dense('x')))
    expect((await bare.models.list()).data).toHaveLength(1)
  })

  it('lists and retrieves the model', async () => {
    const { data } = await client.models.list()
    expect(data).toMatchObject([{ id: embedder.info.name, object: 'model' }])
    expect((await client.models.retrieve('BAAI/bge-m3')).id).toBe(embedder.info.name)
  })

  it('gets the errors it knows', async () => {
    const create = (input: string | string[] | number[], more = {}) =>
      client.embeddings.create({ model: 'any', input, ...more }).catch((error: unknown) => error)
    const empty = await create('')
    expect(empty).toBeInstanceOf(OpenAI.BadRequestError)
    expect(empty).toMatchObject({ status: 400, type: 'invalid_request_error', param: 'input' })
    expect(await create(new Array(41).fill('x'))).toMatchObject({ code: 'too_many_items' })
    expect(await create('wide ', { dimensions: 65 })).toMatchObject({
      status: 400,
      param: 'dimensions',
    })
    expect(await create([300_000])).toMatchObject({ status: 400, param: 'input' })
    expect(await create('word '.repeat(9000))).toMatchObject({
      status: 400,
      code: 'context_length_exceeded',
      param: 'input',
    })
    const stranger = new OpenAI({ baseURL: `${served.url}/v1`, apiKey: 'wrong', maxRetries: 0 })
    const refused = await stranger.embeddings
      .create({ model: 'a', input: 'b' })
      .catch((e: unknown) => e)
    expect(refused).toBeInstanceOf(OpenAI.AuthenticationError)
    expect(refused).toMatchObject({ code: 'invalid_api_key' })
    expect(await client.post('/nothing').catch((e: unknown) => e)).toBeInstanceOf(
      OpenAI.NotFoundError,
    )
  })

  it('has its request id echoed', async () => {
    const { response } = await client.embeddings
      .create({ model: 'a', input: 'b' }, { headers: { 'x-request-id': 'my.id:7' } })
      .withResponse()
    expect(response.headers.get('x-request-id')).toBe('my.id:7')
  })
})

describe('a server that is told so', () => {
  it('has another name for its model, and cuts texts', async () => {
    const named = await testServer({ embedder, servedModelName: 'my/model', truncate: 'end' })
    const input = 'word '.repeat(9000)
    const { json, status } = await named.post('/v1/embeddings', { input })
    expect([status, json.model]).toEqual([200, 'my/model'])
    expect((await named.get('/v1/models')).json.data[0].id).toBe('my/model')
    expect((await named.post('/v1/embeddings', { input, truncate: false })).status).toBe(400)
    expect((await named.post('/embed', { inputs: input })).status).toBe(200)
    expect((await named.get('/info')).json).toMatchObject({
      auto_truncate: true,
      served_model_name: 'my/model',
    })
    await named.close()
  })
})

describe('plain HTTP', () => {
  const auth = { authorization: 'Bearer key-one' }

  it("answers with exactly OpenAI's members", async () => {
    const { status, json, headers } = await served.post(
      '/v1/embeddings',
      { input: 'x', model: 'm' },
      auth,
    )
    expect(status).toBe(200)
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8')
    expect(Object.keys(json)).toEqual(['object', 'data', 'model', 'usage'])
    expect(Object.keys(json.data[0])).toEqual(['object', 'index', 'embedding'])
    expect(Object.keys(json.usage)).toEqual(['prompt_tokens', 'total_tokens'])
  })

  it('takes what other clients send along', async () => {
    const body = {
      input: ['x'],
      model: null,
      user: 'u',
      encoding_format: null,
      dimensions: null,
      input_type: 'query',
    }
    const { status, json } = await served.post('/v1/embeddings', body, auth)
    expect(status).toBe(200)
    // what would have changed the result elsewhere is named
    expect(json.warnings).toEqual(["'input_type' is not supported here, and changed nothing."])
    expect(
      (await served.post('/v1/embeddings/', { input: 'x' }, { 'x-api-key': 'key-two' })).status,
    ).toBe(200)
  })

  it("errors have OpenAI's body", async () => {
    const { status, json } = await served.post('/v1/embeddings', {}, auth)
    expect(status).toBe(400)
    expect(json).toEqual({
      error: {
        message: "'input' is required.",
        type: 'invalid_request_error',
        param: 'input',
        code: 'missing_field',
      },
    })
  })

  it('a text that is none fails the request, not the server', async () => {
    const body = '{"input": ["fine", "\\ud800"]}'
    const { status, json } = await served.call('POST', '/v1/embeddings', { body, headers: auth })
    expect(status).toBe(400)
    expect(json.error.message).toContain('index 1 holds a lone surrogate')
  })
})
