import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { Embedder, Reranker } from '../../../lib/index.js'
import { standinPath, tinyPath } from '../../helpers/standins.js'
import { TestHub } from '../../model/hub/test-hub.js'
import { cli } from './run.js'

let model: string
let ranker: string
let directory: string
beforeAll(async () => {
  model = await tinyPath()
  ranker = await standinPath({ size: 'tiny', arch: 'bge-reranker', vocabSize: 8000 })
  directory = await mkdtemp(path.join(tmpdir(), 'bge-m3-rerank-'))
})
afterAll(() => rm(directory, { recursive: true }))

const QUERY = 'Which river flows through Basel?'
const DOCUMENTS = ['Bread is baked.', 'The Rhine flows through Basel.', 'hi']

describe('rerank', () => {
  it('gives what a re-ranker gives, as JSON', async () => {
    const args = ['rerank', '--model', ranker, '--json', QUERY, ...DOCUMENTS]
    const { code, stdout, stderr } = await cli(args)
    expect(code).toBe(0)
    expect(stderr).toContain('its scores mean nothing')
    const reranker = await Reranker.load({ model: ranker })
    const expected = await reranker.rerank(QUERY, DOCUMENTS)
    await reranker.dispose()
    const results = expected.map((result) => ({ ...result, id: result.index }))
    expect(JSON.parse(stdout)).toEqual({ model: ranker, results })
  })

  it('fetches a re-ranker that is named and not here, as every command does', async () => {
    const hub = await TestHub.start()
    try {
      hub.publish('o/ranker', { 'm-q8_0.gguf': await readFile(ranker) })
      const env = { HF_ENDPOINT: hub.endpoint, BGE_M3_OFFLINE: '', BGE_M3_CACHE_DIR: directory }
      for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
      const args = ['rerank', '--model', 'hf:o/ranker', '--json', QUERY, ...DOCUMENTS]
      const { code, stdout, stderr } = await cli(args)
      expect(code, stderr).toBe(0)
      expect(stderr).toContain('Fetching hf:o/ranker (')
      expect(JSON.parse(stdout).results).toHaveLength(3)
    } finally {
      vi.unstubAllEnvs()
      await hub.stop()
    }
  })

  it("gives the order of an embedder's outputs where the model is one", async () => {
    const flags = ['--by', 'hybrid', '-w', '1,0,1', '-n', '2', '--json']
    const { code, stdout } = await cli(['rerank', '--model', model, ...flags, QUERY, ...DOCUMENTS])
    expect(code).toBe(0)
    const m3 = await Embedder.load({ model })
    const expected = await m3.rerank(QUERY, DOCUMENTS, { weights: [1, 0, 1], topN: 2 })
    await m3.dispose()
    const { results } = JSON.parse(stdout)
    expect(results).toEqual(expected.map((result) => ({ ...result, id: result.index })))
  })

  it('prints a table for people, with the ids of an input', async () => {
    const input = path.join(directory, 'documents.jsonl')
    const lines = DOCUMENTS.map((text, i) => JSON.stringify({ id: `doc-${i}`, text }))
    await writeFile(input, `${lines.join('\n')}\n`)
    const { stdout } = await cli(['rerank', '--model', ranker, QUERY, '--input', input])
    const [head, ...rows] = stdout.trimEnd().split('\n')
    expect(head).toMatch(/^ *score +relevance +id +document$/)
    expect(rows).toHaveLength(3)
    for (const row of rows) expect(row).toMatch(/^ *-?\d+\.\d{4} +[01]\.\d{4} {2}doc-[012] +\S/)
  })

  it('loses no document to one that fails', async () => {
    const long = 'word '.repeat(60)
    const args = ['rerank', '--model', ranker, '--max-tokens', '40', '--json', QUERY]
    const { code, stdout, stderr } = await cli([...args, 'a', long, 'b'])
    expect(code).toBe(1)
    expect(stderr).toContain('1 of 3 documents failed')
    const { results, failures } = JSON.parse(stdout)
    expect(results.map(({ index }: { index: number }) => index).sort()).toEqual([0, 2])
    expect(failures).toEqual([
      { index: 1, id: 1, error: { code: 'INPUT_TOO_LONG', message: expect.any(String) } },
    ])
    expect(failures[0].error.message).toMatch(/^The document at index 1 has \d+ tokens.*--truncate/)
    const cut = await cli([...args, '--truncate', 'a', long, 'b'])
    expect(cut.code).toBe(0)
    expect(JSON.parse(cut.stdout).results).toHaveLength(3)
  })

  it('says what is wrong with its usage', async () => {
    expect((await cli(['rerank', '--model', model, '--by', 'bm25', 'q', 'd'])).code).toBe(2)
    expect((await cli(['rerank', '--model', model, '-w', '1,2', 'q', 'd'])).code).toBe(2)
    expect((await cli(['rerank', '--model', model, '-n', '0', 'q', 'd'])).code).toBe(2)
    expect((await cli(['rerank', '--model', '/nowhere.gguf', 'q', 'd'])).code).toBe(3)
  })
})
