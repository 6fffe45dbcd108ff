/** 10,000 chunks of 1,024 dimensions: how long a report takes, how much memory, and how smooth its map is. */
import fs from 'node:fs'
import path from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { launch, open } from '../../../apps/report/browser.js'
import { file, gaussian } from '../../../apps/report/data.js'
import { root, run } from '../../../helpers/child.js'
import { has } from '../../../helpers/needs.mjs'

const ROWS = 10_000
const DIMENSIONS = 1024

describe('a report over 10,000 chunks', () => {
  let report: string
  let browser: Browser | undefined

  beforeAll(() => {
    const input = file('many.jsonl')
    writeMany(input)
    report = file('many.html')
    return input
  })
  afterAll(() => browser?.close())

  it('takes under 500 MB', async () => {
    // as a user runs it; the last line is the peak of its memory
    const source = `
      process.argv = [process.argv[0], 'bge-m3', 'report', '--input', ${JSON.stringify(file('many.jsonl'))},
        '--output', ${JSON.stringify(report)}, '--json']
      process.on('exit', () => {
        const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage()
        console.error('PEAK ' + maxRSS + ' CPU ' + (userCPUTime + systemCPUTime) / 1e6)
      })
      await import(${JSON.stringify(path.join(root, 'dist/cli/main.js'))})`
    const result = await run(process.execPath, ['--input-type=module', '-e', source], {
      deadline: 110_000,
    })
    expect(result.stderr).toContain('PEAK')
    expect(result.code).toBe(0)
    const { seconds, vectors } = JSON.parse(result.stdout)
    const [, peakKiB, cpu] = /PEAK (\d+) CPU ([\d.]+)/.exec(result.stderr) ?? []
    const peak = (Number(peakKiB) * 1024) / 1e6
    console.log(
      `report over ${vectors} chunks: ${seconds.toFixed(1)} s, ${peak.toFixed(0)} MB, ${Number(cpu).toFixed(1)} s of processor`,
    )
    expect(vectors).toBe(ROWS)
    expect(peak).toBeLessThan(500)
  })

  it.skipIf(!has('chromium'))(
    'is panned and turned, and drawn for each of its positions',
    async () => {
      browser = await launch()
      const { evaluate, problems } = await open(browser, report, { width: 1400 })
      for (const dims of [2, 3]) {
        const { points, drawing, drawnFrames, frames } = await evaluate<{
          points: number
          drawing: number
          drawnFrames: number
          frames: number[]
        }>(`(async () => {
        report.map.layOut('umap', ${dims})
        const { scatter } = report.map.views[0]
        scatter.canvas.scrollIntoView()
        await new Promise(requestAnimationFrame)
        const before = { ...scatter.drawn }, frames = []
        let last = performance.now()
        for (let i = 0; i < 60; i++) {
          scatter.camera = { ...scatter.camera, yaw: i / 30, x: Math.sin(i / 9) / 5 }
          scatter.draw()
          await new Promise(requestAnimationFrame)
          frames.push(performance.now() - last)
          last = performance.now()
        }
        const { drawn } = scatter
        return {
          points: scatter.points.coordinates.length / ${dims},
          drawnFrames: drawn.frames - before.frames,
          drawing: (drawn.milliseconds - before.milliseconds) / (drawn.frames - before.frames),
          frames: frames.sort((a, b) => a - b),
        }
      })()`)
        const median = frames[30] as number
        console.log(
          `${dims}-D map of ${points} points: ${drawing.toFixed(1)} ms a frame, every ${median.toFixed(1)} ms`,
        )
        expect(points).toBe(ROWS)
        expect(drawnFrames).toBeGreaterThanOrEqual(60)
      }
      expect(problems).toEqual([])
    },
  )
})

/** Unit vectors in clusters, written without holding them. */
function writeMany(target: string): void {
  const normal = gaussian(4)
  const centres = Array.from({ length: 12 }, () =>
    Float32Array.from({ length: DIMENSIONS }, normal),
  )
  const noise = Float32Array.from({ length: 1 << 16 }, normal)
  const out = fs.openSync(target, 'w')
  for (let i = 0; i < ROWS; i++) {
    const centre = centres[i % 12] as Float32Array
    const from = (i * 7919) % ((1 << 16) - DIMENSIONS)
    const vector = centre.map((value, t) => value + (noise[from + t] as number) + 0.3)
    const length = Math.hypot(...vector)
    const components = Array.from(vector, (value) => (value / length).toFixed(9)).join()
    fs.writeSync(
      out,
      `{"id":"chunk-${i}","dense":[${components}],"tokenCount":${i % 300},"text":"Chunk ${i}."}\n`,
    )
  }
  fs.closeSync(out)
}
