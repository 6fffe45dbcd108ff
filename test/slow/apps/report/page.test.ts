/** What a report's page draws, read from its SVG and its pixels in Chromium. */
import fs from 'node:fs'
import { createRequire } from 'node:module'
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { nearest } from '../../../../lib/apps/report/project/nearest.js'
import { principalComponents } from '../../../../lib/apps/report/project/pca.js'
import type {
  BarsSpec,
  HistogramSpec,
  LineSpec,
  PageData,
} from '../../../../lib/apps/report/shared/data.js'
import { createReport, tableOf } from '../../../../lib/exports/report.js'
import type { EvaluationReport } from '../../../../lib/quality/types.js'
import { launch, type Opened, open } from '../../../apps/report/browser.js'
import { clustered, dataOf, write } from '../../../apps/report/data.js'
import { has } from '../../../helpers/needs.mjs'

const ROWS = 240
const rows = clustered({ rows: ROWS })
/** As with `normalize: false`: the same directions, and lengths that differ. */
const longer = rows.map((row, i) => ({
  ...row,
  dense: row.dense.map((value) => value * (1 + (i % 7) / 10)),
}))

const run = {
  startedAt: '2026-11-20T10:00:00.000Z',
  seconds: 30,
  texts: 900,
  tokens: 60_000,
  failures: 2,
  textsPerSecond: 30,
  tokensPerSecond: 2000,
  peakRssBytes: 9e8,
  cached: 300,
  cacheHitRate: 1 / 3,
  stages: { tokenizeMs: 400, queueMs: 6000, computeMs: 24_000 },
  model: { name: 'bge-m3', fingerprint: 'f1a9e2', standin: true },
  options: { precision: 'float32', normalize: false },
  timeline: Array.from({ length: 30 }, (_, i) => ({
    seconds: i + 1,
    texts: (i + 1) * 30,
    tokens: (i + 1) * 2000,
    textsPerSecond: 20 + ((i * 7) % 13),
    tokensPerSecond: 1500 + ((i * 331) % 900),
    rssBytes: 5e8 + i * 1e7,
    cached: i * 10,
  })),
}

const evaluation: EvaluationReport = {
  dense: { 'recall@1': 0.61, 'ndcg@10': 0.74 },
  sparse: { 'recall@1': 0.5, 'ndcg@10': 0.69 },
  hybrid: { 'recall@1': 0.66, 'ndcg@10': 0.79 },
  ci: {
    dense: { 'recall@1': [0.55, 0.66], 'ndcg@10': [0.7, 0.78] },
    sparse: { 'recall@1': [0.45, 0.56], 'ndcg@10': [0.64, 0.73] },
    hybrid: { 'recall@1': [0.6, 0.72], 'ndcg@10': [0.75, 0.83] },
  },
  notes: [],
}

function tableFrom(list: typeof rows) {
  const items = list.map(({ id, dense, tokenCount, metadata }) => ({
    id,
    embedding: { dense, tokenCount },
    metadata,
  }))
  return tableOf(items, new Map(list.map(({ id, text }) => [id, text ?? ''])))
}

describe.skipIf(!has('chromium'))('the page of a report', () => {
  let browser: Browser
  let single: { file: string; data: PageData }
  let pair: { file: string; data: PageData }
  const opened: Opened[] = []

  beforeAll(async () => {
    const make = async (
      name: string,
      options: Omit<Parameters<typeof createReport>[0], 'vectors'>,
    ) => {
      const report = await createReport({ vectors: tableFrom(longer), name, ...options })
      return { file: write(`${name}.html`, report), data: dataOf(report) }
    }
    single = await make('one', { run, evaluation })
    const other = clustered({ rows: ROWS - 5, drift: 0.25, known: false })
    pair = await make('two', { compare: { vectors: tableFrom(other), name: 'other' } })
    browser = await launch()
  })
  afterEach(async () => {
    for (const { page, problems } of opened.splice(0)) {
      await page.close()
      // no error, nothing that the policy refused, and no request for anything
      expect(problems).toEqual([])
    }
  })
  afterAll(async () => {
    expect(looked?.problems).toEqual([])
    await browser?.close()
  })

  const visit = async (file: string, options?: Parameters<typeof open>[2]) => {
    const one = await open(browser, file, options)
    opened.push(one)
    return one
  }
  /** One page for the tests that only look at it. */
  let looked: Opened | undefined
  const look = async () => {
    looked ??= await open(browser, single.file)
    return looked
  }
  const chart = <T>(data: PageData, id: string) =>
    data.charts.find((one) => one.id === id) as unknown as T

  /** Boxes of the filled shapes of a colour, by x. */
  const boxes = (id: string, colour: string) => `
    [...document.querySelectorAll('#chart-${id} svg path')]
      .filter((path) => path.getAttribute('fill') === getComputedStyle(document.documentElement).getPropertyValue('${colour}').trim())
      .map((path) => { const { x, y, width, height } = path.getBBox(); return { x, y, width, height } })
      .sort((a, b) => a.x - b.x)`

  interface Box {
    x: number
    y: number
    width: number
    height: number
  }

  it.each(['similarities', 'norms'])('draws the histogram of %s bar by bar', async (id) => {
    const { evaluate } = await look()
    const { counts } = chart<HistogramSpec>(single.data, id)
    const drawn = (await evaluate<Box[]>(boxes(id, '--series-1'))).filter(
      ({ height }) => height > 0.01,
    )
    const shown = counts.filter((count) => count > 0)
    expect(drawn).toHaveLength(shown.length)
    const most = Math.max(...counts)
    const tallest = Math.max(...drawn.map(({ height }) => height))
    expect(tallest).toBeGreaterThan(60)
    drawn.forEach(({ height }, i) => {
      // a pixel of rounding
      expect(Math.abs(height - ((shown[i] as number) / most) * tallest)).toBeLessThan(1.5)
    })
  })

  it.each(['run-tokens', 'run-texts', 'run-memory', 'run-cache'])(
    'draws the line of %s',
    async (id) => {
      const { evaluate } = await look()
      const { x, values } = chart<LineSpec>(single.data, id)
      const d = await evaluate<string>(`
      [...document.querySelectorAll('#chart-${id} svg path')]
        .filter((path) => path.getAttribute('fill') === 'none' && path.getAttribute('stroke') === getComputedStyle(document.documentElement).getPropertyValue('--series-1').trim())
        .map((path) => path.getAttribute('d'))[0]`)
      const points = [...d.matchAll(/[ML]?\s*(-?[\d.]+)[ ,](-?[\d.]+)/g)].map((m) => [
        Number(m[1]),
        Number(m[2]),
      ])
      expect(points).toHaveLength(values.length)
      expect(
        linear(
          x,
          points.map(([px]) => px as number),
        ),
      ).toBeLessThan(1)
      expect(
        linear(
          values,
          points.map(([, py]) => py as number),
        ),
      ).toBeLessThan(1)
      // up is more
      const most = values.indexOf(Math.max(...values))
      const least = values.indexOf(Math.min(...values))
      expect(points[most]?.[1]).toBeLessThan(points[least]?.[1] as number)
    },
  )

  it('draws the variance along the principal directions', async () => {
    const { evaluate } = await look()
    const values = chart<BarsSpec>(single.data, 'variance').series[0]?.values as number[]
    const drawn = await evaluate<Box[]>(boxes('variance', '--series-1'))
    expect(drawn).toHaveLength(values.length)
    expect(
      linear(
        values,
        drawn.map(({ height }) => height),
      ),
    ).toBeLessThan(1)
  })

  it('draws the measures of an evaluation with their intervals over the bars', async () => {
    const { evaluate } = await look()
    const { series } = chart<BarsSpec>(single.data, 'evaluation')
    expect(series.map(({ name }) => name)).toEqual(['dense', 'sparse', 'hybrid'])
    const all: { value: number; box: Box }[] = []
    for (const [i, { values }] of series.entries()) {
      const drawn = (await evaluate<Box[]>(boxes('evaluation', `--series-${i + 1}`)))
        // not the legend's
        .filter(({ height }) => height > 30)
      expect(drawn).toHaveLength(2)
      all.push(...drawn.map((box, metric) => ({ value: values[metric] as number, box })))
    }
    expect(
      linear(
        all.map(({ value }) => value),
        all.map(({ box }) => box.height),
      ),
    ).toBeLessThan(1)
    const strokes = await evaluate<Box[]>(`
      [...document.querySelectorAll('#chart-evaluation svg path')]
        .filter((path) => path.getAttribute('stroke-width') === '1.5')
        .map((path) => { const { x, y, width, height } = path.getBBox(); return { x, y, width, height } })`)
    const upright = strokes.filter(({ height }) => height > 2)
    expect(upright).toHaveLength(6)
    const pixelsPerUnit = (all[0]?.box.height as number) / (all[0]?.value as number)
    const first = upright.sort((a, b) => a.x - b.x)[0] as Box
    expect(first.height).toBeCloseTo((0.66 - 0.55) * pixelsPerUnit, -0.5)
    // in the middle of its bar
    const bar = all.find(({ box }) => first.x >= box.x && first.x <= box.x + box.width)?.box as Box
    expect(Math.abs(first.x - (bar.x + bar.width / 2))).toBeLessThan(2)
  })

  it('draws drift of a comparison', async () => {
    const { evaluate } = await visit(pair.file)
    const { counts } = chart<HistogramSpec>(pair.data, 'drift-dense')
    const drawn = (await evaluate<Box[]>(boxes('drift-dense', '--series-1'))).filter(
      ({ height }) => height > 0.01,
    )
    expect(drawn).toHaveLength(counts.filter((count) => count > 0).length)
  })

  it('draws again in the colours of the other theme, and at another width', async () => {
    const { page, evaluate } = await visit(single.file)
    const before = await evaluate<Box[]>(boxes('norms', '--series-1'))
    await page.emulateMedia({ colorScheme: 'dark' })
    await page.setViewportSize({ width: 500, height: 900 })
    await page.waitForTimeout(200)
    const after = await evaluate<Box[]>(boxes('norms', '--series-1'))
    expect(after).toHaveLength(before.length)
    expect(after[0]?.width).not.toBe(before[0]?.width)
    expect(await evaluate<number>('document.documentElement.scrollWidth - innerWidth')).toBe(0)
    expect(await background(evaluate)).toEqual([0x12, 0x15, 0x1b])
  })

  describe('map', () => {
    it('puts the points where their principal components are', async () => {
      const { evaluate } = await visit(single.file)
      await evaluate(`report.map.layOut('pca', 2)`)
      await settled(evaluate)
      const places = await evaluate<{ x: number; y: number }[]>(
        `report.map.data.ids.map((_, i) => report.map.views[0].scatter.placeOf(i))`,
      )
      const { scores } = components()
      const xs = rows.map((_, i) => scores.data[i * scores.cols] as number)
      const ys = rows.map((_, i) => scores.data[i * scores.cols + 1] as number)
      expect(
        linear(
          xs,
          places.map(({ x }) => x),
        ),
      ).toBeLessThan(0.5)
      expect(
        linear(
          ys,
          places.map(({ y }) => y),
        ),
      ).toBeLessThan(0.5)
      // up is more
      expect(
        slope(
          ys,
          places.map(({ y }) => y),
        ),
      ).toBeLessThan(0)
    })

    it.each([2, 3])(
      'colours pixels by cluster, and by metadata, in %s dimensions',
      async (dims) => {
        const { page, evaluate } = await visit(single.file)
        await evaluate(`report.map.layOut('umap', ${dims})`)
        for (const name of ['cluster', 'subject']) {
          await page.locator('#map-colour').selectOption(name)
          await settled(evaluate)
          // every point that is on top is of the colour of its label
          const wrong = await evaluate<number>(`(() => {
          const { map } = report, { scatter } = map.views[0]
          const context = scatter.canvas.getContext('2d')
          const ratio = scatter.canvas.width / scatter.canvas.clientWidth
          let wrong = 0, seen = 0
          const column = map.columns.find(({ name }) => name === '${name}')
          for (let i = 0; i < map.data.ids.length; i++) {
            const { x, y } = scatter.placeOf(i)
            // the last colour is a grey, which has no hue
            if (scatter.pointAt(x, y) !== i || column.codes[i] === 9) continue
            seen++
            const [r, g, b] = context.getImageData(Math.round(x * ratio), Math.round(y * ratio), 1, 1).data
            const hue = (r, g, b) => Math.atan2(Math.sqrt(3) * (g - b), 2 * r - g - b)
            const hex = getComputedStyle(document.documentElement).getPropertyValue('--category-' + (column.codes[i] + 1)).trim()
            const [wr, wg, wb] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16))
            const apart = Math.abs(Math.atan2(Math.sin(hue(r, g, b) - hue(wr, wg, wb)), Math.cos(hue(r, g, b) - hue(wr, wg, wb))))
            if (apart > 0.35) wrong++
          }
          // another point's edge may lie over a centre
          return seen < 60 ? 1 : wrong / seen
        })()`)
          expect(wrong).toBeLessThan(0.03)
        }
      },
    )

    it('draws numbers along a ramp', async () => {
      const { page, evaluate } = await visit(single.file)
      await page.locator('#map-colour').selectOption('year')
      await settled(evaluate)
      expect(await page.locator('.legend .scale').textContent()).toBe('20002024')
      const colours =
        await evaluate<number>(`new Set(report.map.views[0].scatter.canvas.getContext('2d')
        .getImageData(0, 0, 4000, 2000).data.filter((_, i) => i % 4 === 0)).size`)
      expect(colours).toBeGreaterThan(20)
    })

    it('hides what its legend hides', async () => {
      const { page, evaluate } = await visit(single.file)
      await page.locator('#map-colour').selectOption('subject')
      await settled(evaluate)
      const before = await drawnPixels(evaluate)
      const button = page.getByRole('button', { name: /subject 0/ })
      await button.click()
      expect(await button.getAttribute('aria-pressed')).toBe('false')
      await settled(evaluate)
      const after = await drawnPixels(evaluate)
      expect(after).toBeLessThan(before * 0.9)
      expect(after).toBeGreaterThan(before * 0.6)
      await button.click()
      await settled(evaluate)
      expect(await drawnPixels(evaluate)).toBe(before)
    })

    it('finds by id and text, and fades the others', async () => {
      const { page, evaluate } = await visit(single.file)
      await settled(evaluate)
      const before = await drawnPixels(evaluate, 60)
      await page.locator('#map-search').fill('SUBJECT 3 passage')
      const words = ['subject', '3', 'passage']
      const found = rows.filter(({ id, text }) =>
        words.every((word) => `${id} ${text}`.toLowerCase().includes(word)),
      )
      const status = page.locator('.panel [role=status]').first()
      expect(await status.textContent()).toContain(`${found.length} of ${ROWS} points found`)
      await settled(evaluate)
      expect(await drawnPixels(evaluate, 60)).toBeLessThan(before * 0.75)
      await page.locator('#map-search').fill('doc-0017')
      await page.locator('#map-search').press('Enter')
      expect(await page.locator('.panel .id').textContent()).toBe('doc-0017')
    })

    it('tells of a clicked point what it is and its true neighbours', async () => {
      const { page, evaluate } = await visit(single.file)
      await settled(evaluate)
      const canvas = page.locator('canvas')
      await canvas.scrollIntoViewIfNeeded()
      const item = await evaluate<number>(`report.map.data.ids.findIndex((_, i) => {
        const { x, y } = report.map.views[0].scatter.placeOf(i)
        return report.map.views[0].scatter.pointAt(x, y) === i })`)
      const place = await evaluate<{ x: number; y: number }>(
        `report.map.views[0].scatter.placeOf(${item})`,
      )
      await canvas.hover({ position: place })
      expect(await page.locator('.tip strong').textContent()).toBe(rows[item]?.id)
      await canvas.click({ position: place })
      expect(await page.locator('.panel .id').textContent()).toBe(rows[item]?.id)
      expect(await page.locator('.panel .text').textContent()).toBe(rows[item]?.text)
      const shown = await page.locator('.lists tbody button').allTextContents()
      const { scores } = components()
      const { indices } = nearest(scores, scores, 10, true)
      const expected = [...indices.subarray(item * 10, (item + 1) * 10)].map((row) => rows[row]?.id)
      // equal but for what rounding to 16 bits may swap
      expect(shown.filter((id) => expected.includes(id)).length).toBeGreaterThanOrEqual(9)
      // a neighbour leads on to its own
      await page.locator('.lists tbody button').first().click()
      expect(await page.locator('.panel .id').textContent()).toBe(shown[0])
    })

    it('is moved, zoomed and reset by pointer and by keys', async () => {
      const { page, evaluate } = await visit(single.file)
      const place = () =>
        evaluate<{ x: number; y: number }>(
          `(report.map.views[0].scatter.drawNow(), report.map.views[0].scatter.placeOf(7))`,
        )
      const canvas = page.locator('canvas')
      await canvas.scrollIntoViewIfNeeded()
      const box = await canvas.boundingBox()
      const at = { x: (box?.x ?? 0) + 300, y: (box?.y ?? 0) + 200 }
      const start = await place()
      await page.mouse.move(at.x, at.y)
      await page.mouse.down()
      await page.mouse.move(at.x + 40, at.y + 25, { steps: 4 })
      await page.mouse.up()
      const dragged = await place()
      expect(dragged.x - start.x).toBeCloseTo(40, 0)
      expect(dragged.y - start.y).toBeCloseTo(25, 0)
      await page.mouse.wheel(0, -200)
      await page.waitForTimeout(100)
      expect(await evaluate<number>('report.map.views[0].scatter.camera.zoom')).toBeGreaterThan(1.1)
      await canvas.press('0')
      expect((await place()).x).toBeCloseTo(start.x, 3)
      await canvas.press('ArrowRight')
      expect((await place()).x - start.x).toBeCloseTo(24, 0)
      await page.getByRole('button', { name: /Zoom in/ }).click()
      expect(await evaluate<number>('report.map.views[0].scatter.camera.zoom')).toBeCloseTo(1.25, 5)
      await page.getByRole('button', { name: /Reset/ }).click()
      await page.getByLabel('3-D').check()
      const turned = await place()
      await canvas.press('ArrowLeft')
      expect((await place()).x).not.toBeCloseTo(turned.x, 1)
      await canvas.press('n')
      expect(await page.locator('.panel .id').textContent()).toBe('doc-0000')
      await canvas.press('p')
      expect(await page.locator('.panel .id').textContent()).toBe(rows.at(-1)?.id)
      await canvas.press('Escape')
      expect(await page.locator('.panel .id').count()).toBe(0)
    })

    it('selects what a frame is drawn around', async () => {
      const { page, evaluate } = await visit(single.file)
      await settled(evaluate)
      const canvas = page.locator('canvas')
      await canvas.scrollIntoViewIfNeeded()
      const box = await canvas.boundingBox()
      const places = await evaluate<{ x: number; y: number }[]>(
        `report.map.data.ids.map((_, i) => report.map.views[0].scatter.placeOf(i))`,
      )
      const half = (box?.width ?? 0) / 2
      await page.keyboard.down('Shift')
      await page.mouse.move((box?.x ?? 0) + 1, (box?.y ?? 0) + 1)
      await page.mouse.down()
      await page.mouse.move((box?.x ?? 0) + half, (box?.y ?? 0) + (box?.height ?? 0) - 1, {
        steps: 3,
      })
      await page.mouse.up()
      await page.keyboard.up('Shift')
      const inside = places.filter(({ x }) => x <= half).length
      const status = await page.locator('.panel [role=status]').first().textContent()
      const found = Number(/^([\d,]+) of/.exec(status ?? '')?.[1])
      expect(Math.abs(found - inside)).toBeLessThanOrEqual(2)
    })
  })

  it('links two sets: camera, selection, and neighbours that stayed', async () => {
    const { page, evaluate } = await visit(pair.file, { width: 1400 })
    await settled(evaluate)
    expect(await page.locator('canvas').count()).toBe(2)
    expect(await page.locator('.view h3').allTextContents()).toEqual(['A: two', 'B: other'])
    const ring = (set: number) =>
      evaluate<number>(`(() => {
      const { scatter } = report.map.views[${set}]
      scatter.drawNow()
      const { x, y } = scatter.placeOf(20), { data } = scatter.canvas.getContext('2d').getImageData(x - 14, y - 14, 28, 28)
      let dark = 0
      for (let i = 0; i < data.length; i += 4) if (data[i] < 60 && data[i + 1] < 60 && data[i + 2] < 60) dark++
      return dark
    })()`)
    const before = [await ring(0), await ring(1)]
    await evaluate('report.map.select(20)')
    for (const set of [0, 1]) expect(await ring(set)).toBeGreaterThan((before[set] as number) + 20)
    expect(await page.locator('.lists table').count()).toBe(2)
    const [a, b] = await Promise.all(
      [0, 1].map((i) =>
        page.locator('.lists table').nth(i).locator('tbody button').allTextContents(),
      ),
    )
    const shared = a?.filter((id) => b?.includes(id)).length
    expect(await page.locator('.panel').nth(1).textContent()).toContain(
      `${shared} of 10 nearest neighbours are the same.`,
    )
    expect(await page.locator('.lists .mark').count()).toBe(2 * (shared ?? 0))
    await page.locator('canvas').first().press('ArrowRight')
    const xs = await evaluate<number[]>('report.map.views.map(({ scatter }) => scatter.camera.x)')
    expect(xs[0]).toBeGreaterThan(0)
    expect(xs[1]).toBe(xs[0])
    // items that the second set lacks are not drawn there
    const present = await evaluate<number[]>('[...report.map.views[1].set.present.slice(-6)]')
    expect(present).toEqual([1, 0, 0, 0, 0, 0])
    for (const name of ['drift', 'neighbour overlap@10']) {
      await page.locator('#map-colour').selectOption(name)
      expect(await page.locator('.legend .scale').count()).toBe(1)
    }
  })

  it('has the figures of every chart as a table', async () => {
    const { page } = await visit(single.file)
    for (const { id } of single.data.charts) {
      const figure = page.locator(`#chart-${id}`)
      await figure.locator('summary').click()
      expect(await figure.locator('tbody tr').count()).toBeGreaterThan(1)
    }
    expect(await page.locator('#evaluation td').allTextContents()).toContain(
      '0.7400 0.700 to 0.780',
    )
    expect(await page.locator('header .warning').textContent()).toContain('random weights')
    expect(await page.locator('header code').textContent()).toBe('f1a9e2')
  })

  it.each([
    ['light', 1280],
    ['dark', 1280],
    ['light', 420],
  ] as const)('is accessible: %s, %s wide', async (colorScheme, width) => {
    const axe = fs.readFileSync(
      createRequire(import.meta.url).resolve('axe-core/axe.min.js'),
      'utf8',
    )
    for (const file of [single.file, pair.file]) {
      const { evaluate } = await visit(file, { colorScheme, width })
      await evaluate('report.map.select(3)')
      await evaluate(`${axe}; undefined`)
      const violations = await evaluate<
        { id: string; impact: string; nodes: { html: string }[] }[]
      >('axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => violations)')
      const serious = violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)
      expect(serious).toEqual([])
    }
  })

  it('runs nothing of hostile ids, texts and names', async () => {
    const evil = '</script><img src=x onerror=alert(1)><script>alert(2)</script>'
    const list = rows
      .slice(0, 40)
      .map((row, i) =>
        i === 5 ? { ...row, id: evil, text: evil, metadata: { [evil]: evil } } : row,
      )
    const report = await createReport({
      vectors: tableFrom(list),
      name: evil,
      title: evil,
      run: { ...run, model: { name: evil } },
      map: 'pca',
    })
    const { page, evaluate } = await visit(write('evil.html', report))
    await evaluate('report.map.select(5)')
    expect(await page.locator('.panel .id').textContent()).toBe(evil)
    expect(await page.title()).toBe(evil)
    expect(await page.locator('img').count()).toBe(0)
  })

  function components() {
    const table = tableFrom(rows)
    return principalComponents({ data: table.data, rows: table.rows, cols: table.cols }, 50)
  }
})

type Evaluate = Opened['evaluate']

/** Lets what was asked to be drawn be drawn. */
async function settled(evaluate: Evaluate): Promise<void> {
  await evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))')
}

async function background(evaluate: Evaluate): Promise<number[]> {
  await settled(evaluate)
  return evaluate<number[]>(
    `[...report.map.views[0].scatter.canvas.getContext('2d').getImageData(1, 1, 1, 1).data].slice(0, 3)`,
  )
}

/** Pixels of the first map that are not its background, by more than `apart`. */
function drawnPixels(evaluate: Evaluate, apart = 8): Promise<number> {
  return evaluate<number>(`(() => {
    const { canvas } = report.map.views[0].scatter
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
    let drawn = 0
    for (let i = 0; i < data.length; i += 4) {
      const most = Math.max(...[0, 1, 2].map((c) => Math.abs(data[i + c] - data[c])))
      if (most > ${apart}) drawn++
    }
    return drawn
  })()`)
}

/** The largest distance of `pixels` from the straight line through them over `values`. */
function linear(values: readonly number[], pixels: readonly number[]): number {
  const mean = (list: readonly number[]) => list.reduce((a, b) => a + b, 0) / list.length
  const [mv, mp] = [mean(values), mean(pixels)]
  const b = slope(values, pixels)
  return Math.max(
    ...values.map((value, i) => Math.abs((pixels[i] as number) - mp - b * (value - mv))),
  )
}

function slope(values: readonly number[], pixels: readonly number[]): number {
  const mean = (list: readonly number[]) => list.reduce((a, b) => a + b, 0) / list.length
  const [mv, mp] = [mean(values), mean(pixels)]
  const covariance = values.reduce(
    (sum, value, i) => sum + (value - mv) * ((pixels[i] as number) - mp),
    0,
  )
  const variance = values.reduce((sum, value) => sum + (value - mv) ** 2, 0)
  return variance === 0 ? 0 : covariance / variance
}
