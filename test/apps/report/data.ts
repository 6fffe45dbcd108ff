/** Seeded vectors that lie in clusters, and files of them. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll } from 'vitest'
import type { PageData } from '../../../lib/apps/report/shared/data.js'
import { seededRandom } from '../../../lib/scoring/random.js'

export interface Row {
  id: string
  dense: number[]
  tokenCount: number
  text?: string
  metadata?: Record<string, unknown>
}

export interface ClusterOptions {
  rows: number
  dims?: number
  clusters?: number
  /** Noise that another set of the same vectors has on top. */
  drift?: number
  known?: boolean
}

/** Unit vectors around random centres; the same for the same options, `drift` apart. */
export function clustered(options: ClusterOptions): Row[] {
  const { rows, dims = 64, clusters = 5, drift = 0, known = true } = options
  const normal = gaussian(1)
  const noise = gaussian(2)
  const centres = Array.from({ length: clusters }, () =>
    Array.from({ length: dims }, () => normal()),
  )
  return Array.from({ length: rows }, (_, i) => {
    const cluster = i % clusters
    const centre = centres[cluster] as number[]
    const vector = centre.map((value) => value + 0.5 * normal() + drift * noise())
    const length = Math.hypot(...vector)
    return {
      id: `doc-${String(i).padStart(4, '0')}`,
      dense: vector.map((value) => Math.fround(value / length)),
      tokenCount: 5 + (i % 40),
      ...(known && {
        text: `Passage ${i} on subject ${cluster}.`,
        metadata: { subject: `subject ${cluster}`, year: 2000 + (i % 25), draft: i % 2 === 0 },
      }),
    }
  })
}

export function gaussian(seed: number): () => number {
  const random = seededRandom(seed)
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

/** The data that a report's page would draw. */
export function dataOf(report: string): PageData {
  const [, json = ''] =
    /<script type="application\/json" id="report-data">(.*?)<\/script>/s.exec(report) ?? []
  return JSON.parse(json) as PageData
}

let folder: string | undefined
afterAll(() => {
  if (folder) fs.rmSync(folder, { recursive: true, force: true })
})

export function file(name: string): string {
  folder ??= fs.mkdtempSync(path.join(os.tmpdir(), 'bge-m3-report-'))
  return path.join(folder, name)
}

export function write(name: string, content: string | Buffer): string {
  const target = file(name)
  fs.writeFileSync(target, content)
  return target
}

export function writeRows(name: string, rows: readonly unknown[]): string {
  return write(name, `${rows.map((row) => JSON.stringify(row)).join('\n')}\n`)
}
