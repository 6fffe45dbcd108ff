/** Several processes on one store, and processes that are killed. */
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from '../helpers/child.js'
import {
  ALL,
  bundleProgram,
  everything,
  filesIn,
  LIMIT,
  openCache,
  random,
  useTemporaryFolders,
} from './helpers.js'

/** `entries` that three processes write, and how often one is killed. */
export function processesShare({ entries, rounds }: { entries: number; rounds: number }): void {
  describe(`${entries} entries, ${rounds} kills`, { timeout: 900_000 }, () => {
    const folder = useTemporaryFolders()
    let home: string
    let program: string
    beforeAll(() => {
      home = fs.mkdtempSync(path.join(os.tmpdir(), 'bge-m3-program-'))
      program = bundleProgram(home)
    })
    afterAll(() => fs.rmSync(home, { recursive: true }))

    async function result(...args: (string | number)[]) {
      const { stdout, stderr, code, signal, timedOut } = await run(
        process.execPath,
        [program, ...args.map(String)],
        { deadline: 600_000 },
      )
      expect({ stderr, code, signal, timedOut }).toEqual({
        stderr: '',
        code: 0,
        signal: null,
        timedOut: false,
      })
      return JSON.parse(stdout)
    }

    describe('processes that share a store', () => {
      it('see what the others write, and lose nothing', async () => {
        const dir = folder()
        const results = await Promise.all([0, 1, 2, 3].map((id) => result('share', dir, id, 4)))
        for (const { wrong, warnings } of results)
          expect({ wrong, warnings }).toEqual({ wrong: 0, warnings: [] })
        expect(results.reduce((sum, { found }) => sum + found, 0)).toBeGreaterThan(100)
        const { cache, warnings } = await openCache({
          dir,
          maxBytes: 100_000_000,
          clock: { now: Date.now() },
        })
        let missing = 0
        for (const who of [0, 1, 2, 3]) {
          for (let i = 0; i < 600; i++) {
            const seed = (i % 3 === 0 ? 99 : who) * 10_000 + i
            const got = cache.find('m', `t${seed}`, ALL, LIMIT)
            if (got) expect(got).toEqual(everything(seed))
            else missing++
          }
        }
        // two that take the same free slot at the same moment: one of the entries has to be made again
        expect(missing).toBeLessThanOrEqual(2)
        expect(warnings).toEqual([])
        await cache.close()
      })

      it('stay within the bytes together, and never read what is wrong', async () => {
        const dir = folder()
        const results = await Promise.all([1, 2, 3].map((id) => result('churn', dir, id, entries)))
        for (const { found, ...rest } of results) {
          expect(rest).toEqual({ wrong: 0, damaged: 0, state: 'on', warnings: [] })
          expect(found).toBeGreaterThan(entries / 10)
        }
        const bytes = filesIn(dir).reduce((sum, file) => sum + fs.statSync(file).size, 0)
        // each may add a batch at the same moment
        expect(bytes).toBeLessThanOrEqual(1_050_000)
      })
    })

    describe('a process that is killed while it writes', () => {
      it(`loses nothing that was flushed, and damages nothing, ${rounds} times`, async () => {
        const dir = folder()
        const pick = random(7)
        let next = 0
        for (let round = 0; round < rounds; round++) {
          const safe = await writeAndKill(dir, next, 60 + pick() * 120, 200_000_000)
          const { cache, warnings } = await openCache({
            dir,
            maxBytes: 200_000_000,
            clock: { now: Date.now() },
          })
          for (let i = next; i <= safe; i++) {
            expect(cache.find('m', `t${i}`, ALL, LIMIT), `round ${round}, entry ${i}`).toEqual(
              everything(i),
            )
          }
          // what came after may be there or not, but is never wrong
          for (let i = safe + 1; i < safe + 20; i++) {
            const got = cache.find('m', `t${i}`, ALL, LIMIT)
            if (got) expect(got).toEqual(everything(i))
          }
          expect(warnings).toEqual([])
          expect(cache.stats().disk).toMatchObject({ state: 'on', damaged: 0 })
          await cache.close()
          next = safe + 20
        }
      })

      it(`while it makes room, too, ${rounds / 2} times`, async () => {
        const dir = folder()
        const pick = random(8)
        const maxBytes = 1_000_000
        let next = 0
        for (let round = 0; round < rounds / 2; round++) {
          const safe = await writeAndKill(dir, next, 100 + pick() * 200, maxBytes)
          const { cache, warnings } = await openCache({ dir, maxBytes, clock: { now: Date.now() } })
          // the latest are there, the others may have had to go
          for (let i = Math.max(next, safe - 50); i <= safe; i++) {
            expect(cache.find('m', `t${i}`, ALL, LIMIT), `round ${round}, entry ${i}`).toEqual(
              everything(i),
            )
          }
          for (let i = 0; i < safe + 20; i += 7) {
            const got = cache.find('m', `t${i}`, ALL, LIMIT)
            if (got) expect(got).toEqual(everything(i))
          }
          expect(warnings).toEqual([])
          expect(cache.stats().disk).toMatchObject({ state: 'on', damaged: 0 })
          await cache.close()
          next = safe + 20
        }
        expect(filesIn(dir).reduce((sum, file) => sum + fs.statSync(file).size, 0)).toBeLessThan(
          maxBytes,
        )
      })

      /** Returns the last entry that the process said was safe. */
      function writeAndKill(
        dir: string,
        first: number,
        milliseconds: number,
        maxBytes: number,
      ): Promise<number> {
        return new Promise((resolve, reject) => {
          const child = spawn(process.execPath, [
            program,
            'write',
            dir,
            String(first),
            String(maxBytes),
          ])
          let output = ''
          child.stdout.on('data', (data) => {
            if (output === '') setTimeout(() => child.kill('SIGKILL'), milliseconds)
            output += data
          })
          child.stderr.on('data', (data) => reject(new Error(String(data))))
          child.on('close', () => {
            const lines = output.split('\n').slice(0, -1)
            if (lines.some((line) => Number.isNaN(Number(line)))) reject(new Error(output))
            else resolve(Number(lines.at(-1) ?? first - 1))
          })
        })
      }
    })
  })
}
