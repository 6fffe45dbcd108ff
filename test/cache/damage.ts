/** Stores whose bytes are changed or cut short, opened in processes of their own. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from '../helpers/child.js'
import { bundleProgram } from './helpers.js'

/** `cases` in multiples of fifty. */
export function damagedStores(cases: number): void {
  describe('a store that was damaged', () => {
    const PER_PROCESS = 50
    /** In the store, as program.ts makes it. */
    const ENTRIES = 100
    let home: string
    let program: string
    beforeAll(() => {
      home = fs.mkdtempSync(path.join(os.tmpdir(), 'bge-m3-damage-'))
      program = bundleProgram(home)
    })
    afterAll(() => fs.rmSync(home, { recursive: true }))

    it(
      `at random bytes, or cut short, ${cases} times, never crashes, hangs or lies`,
      async () => {
        const dir = path.join(home, 'store')
        const prepared = await run(process.execPath, [program, 'prepare', dir])
        expect(prepared).toMatchObject({ code: 0, stderr: '' })

        const starts = Array.from({ length: cases / PER_PROCESS }, (_, i) => i * PER_PROCESS)
        const outputs: string[] = []
        const worker = async () => {
          for (let start = starts.shift(); start !== undefined; start = starts.shift()) {
            const args = [program, 'survive', dir, String(start), String(start + PER_PROCESS)]
            const { stdout, stderr, code, signal, timedOut } = await run(process.execPath, args)
            const last = stdout.trimEnd().split('\n').at(-1)
            expect({ stderr, code, signal, timedOut }, `the last line was ${last}`).toEqual({
              stderr: '',
              code: 0,
              signal: null,
              timedOut: false,
            })
            outputs.push(stdout)
          }
        }
        await Promise.all([worker(), worker()])

        const ends = outputs
          .flatMap((output) => output.split('\n'))
          .filter((line) => line.startsWith('end '))
          .map((line) => JSON.parse(line.slice(4)))
        expect(ends).toHaveLength(cases)
        for (const { number, missing, wrong, lost, warnings } of ends) {
          // what was damaged is not there, and once it is made again it stays
          expect({ number, wrong, lost }).toEqual({ number, wrong: 0, lost: 0 })
          expect(missing).toBeLessThanOrEqual(ENTRIES)
          expect(warnings.length, `case ${number}: ${warnings}`).toBeLessThanOrEqual(2)
          expect(warnings.join()).not.toContain('cannot')
        }
        // the damage was real, and mostly not the end of everything
        const harmed = ends.filter(({ missing }) => missing > 0).length
        const partly = ends.filter(({ missing }) => missing > 0 && missing < ENTRIES).length
        expect(harmed).toBeGreaterThan(cases * 0.5)
        expect(partly).toBeGreaterThan(cases * 0.3)
        expect(ends.filter(({ warnings }) => warnings.length > 0).length).toBeGreaterThan(
          cases * 0.3,
        )
      },
      60_000 + 1000 * cases,
    )
  })
}
