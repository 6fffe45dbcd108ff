/** The same tests for every runner, as a user's project has them: a body, in the module format that the runner takes. */
const BODY = `
const outputs = { dense: true, sparse: true, colbert: true }
const texts = ['Basel lies on the Rhine.', 'Bread is baked from flour.', 'Ships sail the sea.']
const stream = Array.from({ length: 300 }, (_, i) => 'text ' + i)
let m3
beforeAll(async () => {
  m3 = await Embedder.load({ model: process.env.BGE_M3_MODEL, logger: { warn() {} } })
})
afterAll(() => m3.dispose())

async function count(source) {
  let items = 0
  for await (const { embedding } of source) items += Number.isFinite(embedding.dense[0])
  return items
}

test('embed, again from the cache, and scores', async () => {
  const first = await m3.embed(texts, { outputs })
  const again = await m3.embed(texts, { outputs })
  expect(m3.stats().cache.hits).toBeGreaterThan(0)
  const [a] = first
  const [b] = again
  expect(Array.from(a.dense)).toEqual(Array.from(b.dense))
  expect(cosine(a.dense, b.dense)).toBeCloseTo(1, 5)
  expect(cosine(Float32Array.from(a.dense), b.dense)).toBeCloseTo(1, 5)
  expect(topK(a.dense, again.map(({ dense }) => dense), 1)[0].index).toBe(0)
  expect(lexicalScore(a.sparse, b.sparse)).toBe(lexicalScore(a.sparse, a.sparse))
  expect(colbertScore(a.colbert, b.colbert)).toBeCloseTo(1, 4)
  expect(hybridScore(a, b)).toBeGreaterThan(0.1)
  for (const precision of ['float16', 'int8', 'binary']) {
    const { dense } = await m3.embed(texts[0], { precision })
    expect(cosine(dense, dense)).toBeCloseTo(1, 4)
  }
})

test('streams and chunks, also while timers stand still', async () => {
  expect(await count(m3.embedStream(stream))).toBe(300)
  fake.useFakeTimers()
  try {
    expect(await count(m3.embedStream(stream.map((text) => text + '!')))).toBe(300)
    expect((await m3.embed('while they stand', { timeout: 60_000 })).tokenCount).toBeGreaterThan(2)
  } finally {
    fake.useRealTimers()
  }
})

test('signals of the realm, and of abort-controller', async () => {
  for (const Class of [AbortController, OldController]) {
    const controller = new Class()
    const many = m3.embedStream(stream, { signal: controller.signal })
    await many.next()
    controller.abort()
    expect((await many.next().catch((error) => error)).name).toBe('AbortError')
    const { signal } = controller
    expect((await m3.embed(['new for ' + Class], { signal }).catch((error) => error)).name).toBe('AbortError')
  }
})

test('errors are of the class', async () => {
  const error = await m3.embed(5).catch((error) => error)
  expect(error).toBeInstanceOf(InvalidInputError)
  expect(error).toBeInstanceOf(EmbedderError)
  expect(error).toBeInstanceOf(Error)
  const late = await m3.embed(stream.map((text) => text.repeat(99)), { timeout: 1 }).catch((e) => e)
  expect(late).toBeInstanceOf(TimeoutError)
})

test('search', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'bge-m3-realm-'))
  texts.forEach((text, i) => fs.writeFileSync(path.join(folder, i + '.txt'), text))
  const index = await openIndex(path.join(folder, '.index'), { embedder: m3 })
  try {
    expect((await index.update(folder)).files.new).toBe(3)
    for (const mode of ['dense', 'hybrid']) {
      expect((await index.search(texts[0], { limit: 1, mode }))[0].path).toContain('0.txt')
    }
  } finally {
    await index.close()
    fs.rmSync(folder, { recursive: true })
  }
})
`
const NAMES =
  'Embedder, EmbedderError, InvalidInputError, TimeoutError, cosine, topK, lexicalScore, colbertScore, hybridScore'

export const jestSuite = `const { ${NAMES} } = require('bge-m3-node')
const { openIndex } = require('bge-m3-node/search')
const { AbortController: OldController } = require('abort-controller')
const fs = require('node:fs'), os = require('node:os'), path = require('node:path')
const fake = jest
${BODY}`

export const vitestSuite = `import { ${NAMES} } from 'bge-m3-node'
import { openIndex } from 'bge-m3-node/search'
import { AbortController as OldController } from 'abort-controller'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test, vi as fake } from 'vitest'
${BODY}`
