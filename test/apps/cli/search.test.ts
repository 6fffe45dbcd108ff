/** `bge-m3 search`: hits for people and for programs. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { printable } from '../../../lib/apps/cli/shared/printable.js'
import { Reranker } from '../../../lib/embedder/reranker.js'
import { openIndex } from '../../../lib/exports/search.js'
import { standinPath, tinyPath } from '../../helpers/standins.js'
import { paragraphs } from '../../helpers/texts.js'
import { cli } from './run.js'

let model: string
let folder: string
let docs: string
let store: string
const texts = paragraphs('en')
  .slice(0, 30)
  .map(({ text }) => text)

beforeAll(async () => {
  model = await tinyPath()
  folder = await mkdtemp(join(tmpdir(), 'cli-search-'))
  docs = join(folder, 'docs')
  store = join(folder, 'store')
  await mkdir(docs)
  for (const [i, text] of texts.entries()) {
    await writeFile(join(docs, `${i}.txt`), `A heading of one line\n\n${text}`)
  }
  const { code } = await cli(['index', docs, '--store', store, '--model', model])
  expect(code).toBe(0)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const search = (query: string, ...args: string[]) => cli(['search', query, '-s', store, ...args])

describe('search', () => {
  it('lists hits with their place, score and words', async () => {
    const { code, stdout, stderr } = await search(texts[3] as string)
    expect(code).toBe(0)
    expect(stderr).toMatch(/stand-in/)
    const lines = stdout.trimEnd().split('\n')
    expect(lines).toHaveLength(20)
    expect(lines[0]).toMatch(/^1\. {2}.*docs\/3\.txt:1-3 {2}\d\.\d{4}$/)
    expect(lines[18]).toMatch(/^10\. /)
    expect(lines[1]).toMatch(/^ {4}\S/)
    for (const line of lines) expect(line.length).toBeLessThan(300)
  })

  it('prints JSON', async () => {
    const { code, stdout } = await search(texts[3] as string, '--json', '-n', '3')
    expect(code).toBe(0)
    const found = JSON.parse(stdout)
    expect(found).toMatchObject({ model })
    expect(found.hits).toHaveLength(3)
    expect(found.hits[0]).toMatchObject({
      id: `${join(docs, '3.txt')}#0`,
      path: join(docs, '3.txt'),
      line: 1,
      endLine: 3,
      chunk: 0,
      score: expect.any(Number),
      scores: { dense: expect.any(Number), sparse: expect.any(Number) },
      text: `A heading of one line\n\n${texts[3]}`,
    })
  })

  it('has modes, fusions, weights and reranking', async () => {
    const query = texts[5] as string
    const first = async (...args: string[]) =>
      JSON.parse((await search(query, '--json', ...args)).stdout).hits[0]
    const dense = await first('--mode', 'dense')
    expect(dense).toMatchObject({ path: join(docs, '5.txt') })
    expect(dense.score).toBe(dense.scores.dense)
    const sparse = await first('--mode', 'sparse')
    expect(sparse.score).toBe(sparse.scores.sparse)
    const hybrid = await first('--weights', '0.5,0.25,1')
    expect(hybrid.score).toBeCloseTo((2 * hybrid.scores.dense + hybrid.scores.sparse) / 3, 6)
    expect((await first('--fusion', 'rrf')).score).toBeLessThanOrEqual(2 / 61)
    const reranked = await first('--rerank', '--candidates', '5')
    const { scores } = reranked
    expect(reranked.score).toBeCloseTo((scores.dense + scores.sparse + scores.colbert) / 3, 6)
  })

  it('reranks by a cross-encoder', async () => {
    const file = await standinPath({ size: 'tiny', arch: 'bge-reranker', vocabSize: 8000 })
    const query = texts[5] as string
    const plain = JSON.parse((await search(query, '--json')).stdout).hits
    const args = ['--rerank', file, '--candidates', '6', '--json']
    const { hits } = JSON.parse((await search(query, ...args)).stdout)
    const reranker = await Reranker.load({ model: file })
    try {
      const best = plain.slice(0, 6)
      const expected = await reranker.rerank(
        query,
        best.map((hit: { text: string }) => hit.text),
      )
      const found = hits.slice(0, 6)
      expect(found.map((hit: { id: string }) => hit.id)).toEqual(
        expected.map(({ index }) => best[index].id),
      )
      expect(found.map((hit: { score: number }) => hit.score)).toEqual(
        expected.map(({ relevance }) => relevance),
      )
      expect(found[0].scores.rerank).toBe(expected[0]?.score)
      expect(hits.slice(6)).toEqual(plain.slice(6))
    } finally {
      await reranker.dispose()
    }
    const none = await search(query, '--rerank', model)
    expect(none).toMatchObject({ code: 3, stdout: '' })
  })

  it('marks the words of the query on a terminal, and nowhere else', async () => {
    const query = texts[3] as string
    const args = ['search', query, '-s', store, '-n', '3']
    const marked = await cli(args, { tty: { stdout: true } })
    expect(marked.stdout.toLowerCase()).toContain('\x1b[1manthem\x1b[22m')
    const plain = (await cli(args)).stdout
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what marks
    expect(marked.stdout.replace(/\x1b\[\d+m/g, '')).toBe(plain)
    const quiet = await cli(args, { tty: { stdout: true }, env: { NO_COLOR: '1' } })
    expect(quiet.stdout).toBe(plain)
  })

  it.each([
    [['search', '-s', 'x'], /missing required argument 'query'/],
    [['search', 'x'], /--store/],
    [['search', 'x', '-s', 'S', '-n', '0'], /--limit/],
    [['search', 'x', '-s', 'S', '--mode', 'psychic'], /Allowed choices/],
    [['search', 'x', '-s', 'S', '--candidates', '3'], /setting of --rerank/],
    [['search', 'x', '-s', 'S', '--weights', '1'], /--weights must be/],
    [['search', 'x', '-s', '/nonexistent/store'], /There is no index in/],
  ])('refuses wrong usage %#', async (args, message) => {
    const { code, stdout, stderr } = await cli([...args])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(message)
  })

  it('refuses another model, an empty query and an empty index', async () => {
    const other = await standinPath({ size: 'tiny', seed: 2 })
    const { code, stdout } = await search('x', '--model', other, '--json')
    expect(code).toBe(2)
    expect(JSON.parse(stdout).error.message).toMatch(/another model/)
    expect(await search(' ')).toMatchObject({ code: 2, stdout: '' })
    const empty = join(folder, 'empty')
    expect((await cli(['index', docs, '-s', empty, '--forget'])).code).toBe(2)
    await (await openIndex(empty)).close()
    const nothing = await cli(['search', 'x', '-s', empty])
    expect(nothing.code).toBe(2)
    expect(nothing.stderr).toMatch(/is empty: index files first/)
  })

  it('says when nothing is found', async () => {
    const bare = join(folder, 'bare')
    await mkdir(join(folder, 'none'))
    await cli(['index', join(folder, 'none'), '-s', bare, '--model', model])
    expect(await cli(['search', 'x', '-s', bare])).toMatchObject({
      code: 0,
      stdout: 'nothing found\n',
    })
  })
})

describe('printable', () => {
  it('shows what could move the cursor', () => {
    expect(printable('a\nb\u001b[2J\u202e😀é')).toBe('a\\x0ab\\x1b[2J\\u202e😀é')
    expect(printable('\ud800')).toBe('\\ud800')
  })
})
