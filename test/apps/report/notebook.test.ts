/** Results in notebooks: what a kernel is given, and an example run by a real one. */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../../lib/common/errors.js'
import type { EmbedderStats, RunStats } from '../../../lib/common/types.js'
import type { EmbeddingResult } from '../../../lib/embedder/documents/types.js'
import {
  compareEmbeddings,
  type EvaluationReport,
  qualityReport,
} from '../../../lib/exports/quality.js'
import {
  display,
  JUPYTER_DISPLAY,
  liveProgress,
  type MimeBundle,
  mimeBundle,
  show,
} from '../../../lib/exports/report.js'
import { root } from '../../helpers/child.js'
import { denoBinary, has, pythonWith } from '../../helpers/needs.mjs'
import { standinPath } from '../../helpers/standins.js'
import { launch } from './browser.js'
import { clustered, file } from './data.js'

const rows = clustered({ rows: 80 })
const vectors = rows.map(({ dense }) => Float32Array.from(dense))
const quality = qualityReport(vectors)
const comparison = compareEmbeddings(
  vectors,
  vectors.map((vector) => vector.map((x) => Math.round(x * 100))),
)
const stats: RunStats = {
  texts: 81,
  tokens: 1000,
  failures: 1,
  cached: 20,
  cacheHitRate: 0.25,
  seconds: 2,
  textsPerSecond: 40,
  tokensPerSecond: 500,
  peakRssBytes: 5e8,
  stages: { tokenizeMs: 3, queueMs: 50, computeMs: 1800 },
}
const result = {
  items: rows.map(({ id, dense, tokenCount, metadata }) => ({
    id,
    metadata,
    embedding: {
      dense: Float32Array.from(dense),
      tokenCount,
      truncated: false,
      cached: false,
      timings: { tokenizeMs: 0, queueMs: 0, computeMs: 0, totalMs: 0 },
    },
    norm: 1,
    qualityScore: 1,
    model: 'm',
    createdAt: new Date(0),
    timings: { tokenizeMs: 0, queueMs: 0, computeMs: 0, totalMs: 0 },
  })),
  failures: [{ id: '<b>bad</b>', index: 80, error: new InvalidInputError('no text') }],
  stats,
  quality,
  batches: [],
} as unknown as EmbeddingResult // no methods: nothing here asks for them
const evaluation: EvaluationReport = {
  dense: { 'ndcg@10': 0.5 },
  ci: { dense: { 'ndcg@10': [0.4, 0.6] } },
  notes: [],
}
const embedderStats = {
  texts: 5,
  tokens: 6,
  batches: 2,
  failures: 0,
  computeMs: 12,
  memory: { rss: 1e9, weights: 6e8 },
} as unknown as EmbedderStats

describe('show', () => {
  it('adds a method that nothing but a kernel sees', () => {
    const before = JSON.stringify(quality)
    const shown = show(quality)
    expect(shown).toBe(quality)
    expect(JSON.stringify(shown)).toBe(before)
    expect(Object.keys(shown)).toEqual(Object.keys(JSON.parse(before)))
    expect(JUPYTER_DISPLAY).toBe(Symbol.for('Jupyter.display'))
    const bundle = shown[JUPYTER_DISPLAY]()
    expect(bundle['text/plain']).toBe(`soundness ${quality.score.toFixed(3)} of 80 vectors`)
    expect(bundle['text/html']).toContain('Soundness of 80 vectors')
    // again does no harm
    expect(show(shown)[JUPYTER_DISPLAY]()).toEqual(bundle)
  })

  it('stands in for what takes no members', () => {
    const frozen = Object.freeze({ ...stats })
    const shown = show(frozen)
    expect(shown).not.toBe(frozen)
    expect(shown.tokens).toBe(1000)
    expect(shown[JUPYTER_DISPLAY]()['text/plain']).toBe('81 texts, 500 tokens/s')
    const wrapped = display(frozen)
    expect(wrapped[JUPYTER_DISPLAY]()).toEqual(shown[JUPYTER_DISPLAY]())
  })

  it.each([
    [
      'a result',
      result,
      '80 chunks, 1 failed, 500 tokens/s',
      ['Two principal components', 'doc-0000', 'INVALID_INPUT', 'and 72 more', '&lt;b&gt;bad'],
    ],
    ['statistics', stats, '81 texts, 500 tokens/s', ['25 %', '1.8 s', '500 MB']],
    ['an embedder', embedderStats, '5 texts, 6 tokens', ['memory: rss', '1 GB']],
    ['documents', new Map([['d1', result]]), '1 documents', ['d1']],
    [
      'a comparison',
      comparison,
      'comparison of 80 items',
      ['Neighbour overlap@10', 'Drift per item (dense)'],
    ],
    ['an evaluation', evaluation, 'evaluation', ['0.5000', '0.400 to 0.600']],
  ])('%s', (_, value, text, parts) => {
    const bundle = mimeBundle(value as never)
    expect(bundle['text/plain']).toBe(text)
    for (const part of parts) expect(bundle['text/html']).toContain(part)
    expect(bundle['text/html']).not.toMatch(/<script|<b>bad|undefined|NaN/)
  })

  it.each([null, 3, 'text', {}, []])('refuses %s', (value) => {
    expect(() => show(value as never)).toThrow(InvalidInputError)
    expect(() => mimeBundle(value as never)).toThrow('can be shown')
  })

  it('of a result without dense vectors leaves the map out', () => {
    const sparse = {
      ...result,
      items: result.items.map((item) => ({
        ...item,
        embedding: { ...item.embedding, dense: undefined },
      })),
      quality: undefined,
    }
    expect(mimeBundle(sparse as never)['text/html']).not.toContain('principal')
  })
})

describe('live progress', () => {
  it('updates one display, at intervals, and ends with the last state', async () => {
    const shown: { bundle: MimeBundle; displayId: string; update: boolean }[] = []
    const live = liveProgress({
      label: 'Work',
      interval: 10_000,
      show: (bundle, options) => void shown.push({ bundle, ...options }),
    })
    for (let done = 1; done <= 50; done++) {
      live.onProgress({ done, total: 50, tokens: 10 * done, rate: 5, eta: (50 - done) / 5 })
    }
    await live.finish()
    expect(shown.map(({ update }) => update)).toEqual([false, true])
    expect(new Set(shown.map(({ displayId }) => displayId)).size).toBe(1)
    expect(shown[0]?.bundle['text/plain']).toBe(
      'Work: 1 of 50 texts, 10 tokens, 5 texts/s, 9.8 s left',
    )
    expect(shown[1]?.bundle['text/plain']).toBe('Work: 50 of 50 texts, 500 tokens, 5 texts/s')
    expect(shown[1]?.bundle['text/html']).toContain('width: 100.0%')
  })

  it('of a stream has no end to name, and a display that fails costs nothing', async () => {
    const live = liveProgress({ show: () => Promise.reject(new Error('gone')) })
    live.onProgress({ done: 1, total: null, tokens: 2, rate: 1, eta: null })
    await live.finish()
    const lines: string[] = []
    const { log } = console
    console.log = (line: string) => lines.push(line)
    try {
      const plain = liveProgress()
      plain.onProgress({ done: 1, total: null, tokens: 2, rate: 1, eta: null })
      await plain.finish()
    } finally {
      console.log = log
    }
    expect(lines[0]).toBe('Embedding: 1 texts, 2 tokens, 1 texts/s')
  })
})

describe.skipIf(!has('chromium'))('in a browser', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launch()
  })
  afterAll(() => browser?.close())

  it('a result is drawn: points of the map, bars of the histogram', async () => {
    const page = await browser.newPage()
    await page.setContent(mimeBundle(result)['text/html'])
    expect(await page.locator('svg circle').count()).toBe(80)
    const spread = await page.evaluate(`
      (() => { const xs = [...document.querySelectorAll('svg circle')].map((c) => c.getBoundingClientRect().x)
      return Math.max(...xs) - Math.min(...xs) })()`)
    expect(spread).toBeGreaterThan(150)
    const heights = (await page.evaluate(`
      [...document.querySelectorAll('svg')[1].querySelectorAll('rect')].map((r) => r.getBoundingClientRect().height)`)) as number[]
    const counts = quality.similarities?.histogram.counts ?? []
    const most = Math.max(...counts)
    expect(heights).toHaveLength(counts.length)
    heights.forEach((height, i) => {
      expect(height).toBeCloseTo(((counts[i] as number) / most) * Math.max(...heights), 0)
    })
    await page.close()
  })
})

describe.skipIf(!has('notebook'))("the example notebook, run by Deno's kernel", () => {
  interface Cell {
    cell_type: string
    outputs?: { output_type: string; data?: Record<string, string | string[]>; ename?: string }[]
  }
  let cells: Cell[]
  let folder: string

  beforeAll(async () => {
    folder = file('notebook')
    // as in a folder where the package was installed
    fs.mkdirSync(path.join(folder, 'node_modules'), { recursive: true })
    fs.symlinkSync(root, path.join(folder, 'node_modules', 'bge-m3-node'))
    fs.writeFileSync(path.join(folder, 'package.json'), '{"dependencies":{"bge-m3-node":"*"}}')
    fs.writeFileSync(path.join(folder, 'deno.json'), '{"nodeModulesDir":"manual"}')
    fs.copyFileSync(
      path.join(root, 'examples/notebook/embeddings.ipynb'),
      path.join(folder, 'in.ipynb'),
    )
    const kernel = path.join(folder, 'jupyter', 'kernels', 'deno')
    fs.mkdirSync(kernel, { recursive: true })
    const argv = [denoBinary(), 'jupyter', '--kernel', '--conn', '{connection_file}']
    fs.writeFileSync(
      path.join(kernel, 'kernel.json'),
      JSON.stringify({ argv, display_name: 'Deno', language: 'typescript' }),
    )
    execFileSync(
      pythonWith('jupyter_client, nbformat') as string,
      [path.join(root, 'test/apps/report/run-notebook.py'), 'in.ipynb', 'out.ipynb'],
      {
        cwd: folder,
        env: {
          ...process.env,
          HOME: folder,
          JUPYTER_PATH: path.join(folder, 'jupyter'),
          BGE_M3_MODEL: await standinPath({ size: 'tiny' }),
          DENO_DIR: path.join(folder, 'deno'),
          DENO_NO_UPDATE_CHECK: '1',
        },
        stdio: 'pipe',
        timeout: 150_000,
      },
    )
    cells = JSON.parse(fs.readFileSync(path.join(folder, 'out.ipynb'), 'utf8')).cells
  })

  const bundles = (type: string) =>
    cells.flatMap(({ outputs = [] }) =>
      outputs.flatMap(({ data }) => (data?.[type] ? [[data[type]].flat().join('')] : [])),
    )

  it('shows progress, a result, statistics, quality and a comparison as HTML', () => {
    expect(
      cells.flatMap(({ outputs = [] }) =>
        outputs.filter(({ output_type }) => output_type === 'error'),
      ),
    ).toEqual([])
    expect(
      cells.flatMap(({ cell_type, outputs }) => (cell_type === 'code' ? outputs?.length : [])),
    ).toEqual([1, 1, 1, 1, 1, 1, 1, 1])
    const shown = bundles('text/html')
    expect(shown).toHaveLength(5)
    const [progress, whole, stats, quality, comparison] = shown
    // one display that was updated up to the end, not one for each step
    expect(progress).toContain('20 of 20 texts')
    expect(progress).toContain('width: 100.0%')
    expect(whole).toContain('20 chunks embedded')
    expect(whole?.match(/<circle /g)).toHaveLength(20)
    expect(stats).toContain('Tokens per second')
    expect(quality).toContain('Soundness of 20 vectors')
    expect(comparison).toContain('Comparison of 20 items')
  })

  it('writes a report', () => {
    const report = fs.readFileSync(path.join(folder, 'report.html'), 'utf8')
    expect(report.startsWith('<!doctype html>')).toBe(true)
    expect(report.includes('rivers-0')).toBe(true)
  })
})
