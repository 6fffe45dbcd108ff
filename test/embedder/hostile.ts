/** Model files that are read in a child process, so that a crash or a hang is seen as one. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { seededRandom } from '../../lib/scoring/random.js'
import { importPackage, runModule } from '../helpers/child.js'
import { standinPath } from '../helpers/standins.js'

/** Two layers, 64 wide, a vocabulary of 1,000 tokens. */
export const smallestModel = () => standinPath({ size: 'tiny', vocabSize: 1000 })

export interface Outcome {
  path: string
  /** Dimensions of an embedding, when it loaded. */
  dense?: number
  finite?: boolean
  name?: string
  code?: string
  message?: string
}

/**
 * Loads each file in one child process and embeds with it. The child says which file comes next, so
 * that a crash or a hang names it.
 */
export async function loadAll(paths: readonly string[], deadline = 120_000): Promise<Outcome[]> {
  const end = await runModule(
    `${importPackage}
    for (const path of ${JSON.stringify(paths)}) {
      console.log(JSON.stringify({ next: path }))
      const outcome = { path }
      try {
        const m3 = await Embedder.load({ model: path, threads: 1 })
        try {
          const [first] = await m3.embed(['hello world', 'x'.repeat(300)])
          outcome.dense = first.dense.length
          outcome.finite = first.dense.every(Number.isFinite)
        } finally { await m3.dispose() }
      } catch (e) {
        Object.assign(outcome, { name: e.constructor.name, code: e.code, message: e.message })
        if (e.code === 'BATCH') outcome.code = e.failures[0].error.code
      }
      console.log(JSON.stringify(outcome))
    }`,
    { deadline },
  )
  const lines = end.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  const last = JSON.stringify(lines.at(-1))
  expect(end, `${last}\n${end.stderr}`).toMatchObject({ code: 0, signal: null, timedOut: false })
  const outcomes = lines.filter((line) => 'path' in line) as Outcome[]
  expect(outcomes).toHaveLength(paths.length)
  return outcomes
}

/** Changes of header and vocabulary, written into `directory`: an embedding or a typed error. */
export async function loadMutants(directory: string, mutations: number): Promise<void> {
  const bytes = await readFile(await smallestModel())
  const random = seededRandom(20_24)
  const pick = (n: number) => Math.floor(random() * n)
  const interesting = [0, 1, 0x7f, 0x80, 0xff]
  const paths: string[] = []
  for (let i = 0; i < mutations; i++) {
    const copy = Buffer.from(bytes)
    const changes = 1 + pick(4)
    for (let c = 0; c < changes; c++) {
      // the counts and first keys, all keys, or the whole file
      const at = pick([200, 40_000, copy.length][pick(3)] as number)
      const kind = pick(3)
      if (kind === 0) copy[at] = (copy[at] as number) ^ (1 << pick(8))
      else if (kind === 1) copy[at] = interesting[pick(interesting.length)] as number
      else copy.fill(interesting[pick(interesting.length)] as number, at, at + 8)
    }
    const path = join(directory, `mutant-${i}.gguf`)
    await writeFile(path, copy)
    paths.push(path)
  }
  const outcomes = await loadAll(paths, 120_000 + mutations * 1000)
  for (const { path, code, message, dense } of outcomes) {
    if (dense !== undefined) continue
    expect(['MODEL_LOAD', 'MEMORY_LIMIT', 'INFERENCE', 'INVALID_INPUT'], message).toContain(code)
    if (code === 'MODEL_LOAD') expect(message).toContain(path)
  }
  const loaded = outcomes.filter(({ dense }) => dense !== undefined)
  expect(loaded.length).toBeGreaterThan(0) // not everything may be refused
  expect(loaded.length).toBeLessThan(mutations)
  for (const { finite } of loaded) expect(finite).toBe(true)
}
