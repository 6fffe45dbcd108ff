/** Indexing in processes that are killed. */
import { spawn } from 'node:child_process'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Embedder } from '../../../lib/embedder/embedder.js'
import { openIndex } from '../../../lib/exports/search.js'
import { root, run } from '../../helpers/child.js'
import { tinyPath } from '../../helpers/standins.js'
import { mixedTexts } from '../../helpers/texts.js'
import { Workspace } from './helpers.js'

const main = path.join(root, 'dist/cli/main.js')

export function killedWhileIndexing(files: number): void {
  describe('kill -9 while indexing', { timeout: 600_000 + files * 500 }, () => {
    let m3: Embedder
    let model: string
    let work: Workspace
    beforeAll(async () => {
      model = await tinyPath()
      m3 = await Embedder.load({ model, cache: false })
    })
    afterAll(() => m3.dispose())
    beforeEach(async () => {
      work = await Workspace.make()
    })
    afterEach(() => work.remove())

    const texts = mixedTexts(files)
    const command = (...args: string[]) => run(process.execPath, [main, ...args])
    const indexArgs = () => ['index', work.docs, '--store', work.store, '--model', model, '--json']

    async function vectors(): Promise<number> {
      try {
        const index = await openIndex(work.store, { create: false })
        const { vectors } = await index.stats()
        await index.close()
        return vectors
      } catch (error) {
        // it is about to be made
        if ((error as Error).message.startsWith('There is no index')) return 0
        throw error
      }
    }

    /** Indexes in a process of its own, which is killed when the index has so many vectors; false if it ended. */
    async function killedAt(count: number): Promise<boolean> {
      const child = spawn(process.execPath, [main, ...indexArgs()], { stdio: 'ignore' })
      const ended = new Promise<NodeJS.Signals | null>((resolve) =>
        child.on('exit', (_, signal) => resolve(signal)),
      )
      let isRunning = true
      void ended.then(() => {
        isRunning = false
      })
      while (isRunning && (await vectors()) < count) {
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      child.kill('SIGKILL')
      return (await ended) === 'SIGKILL'
    }

    it('loses nothing that was written, and the next run goes on', async () => {
      // a file of many chunks as well: it is gone on with in its middle
      await work.put('long.txt', texts.join('\n\n'))
      for (const [i, text] of texts.slice(0, files / 2).entries()) await work.put(`${i}.txt`, text)
      let before = 0
      let kills = 0
      for (const part of [0.1, 0.3, 0.5]) {
        if (await killedAt(before + Math.ceil(files * part * 0.3))) kills++
        const now = await vectors()
        expect(now).toBeGreaterThanOrEqual(before)
        before = now
      }
      expect(kills).toBeGreaterThan(0)
      const { code, stdout } = await command(...indexArgs())
      expect(code).toBe(0)
      const result = JSON.parse(stdout)
      expect(result.index.files).toBe(files / 2 + 1)
      // none that was there is embedded again
      expect(result.chunks.embedded).toBe(result.index.vectors - before)

      const index = await work.index(m3)
      const fresh = await openIndex(path.join(work.folder, 'fresh'), { embedder: m3 })
      try {
        await fresh.update(work.docs)
        expect(await index.stats()).toMatchObject({
          files: (await fresh.stats()).files,
          chunks: (await fresh.stats()).chunks,
          vectors: (await fresh.stats()).vectors,
          tokens: (await fresh.stats()).tokens,
        })
        for (const query of texts.slice(0, 5)) {
          const [mine, other] = await Promise.all(
            [index, fresh].map((one) => one.search(query.slice(0, 100), { limit: 50 })),
          )
          expect(mine?.map(({ score }) => score)).toEqual(other?.map(({ score }) => score))
        }
      } finally {
        await fresh.close()
      }
      const { default: Database } = await import('libsql')
      const db = new Database(path.join(work.store, 'index.db'))
      expect(db.prepare('PRAGMA integrity_check').all([])).toEqual([{ integrity_check: 'ok' }])
      expect(db.prepare('PRAGMA foreign_key_check').all([])).toEqual([])
      db.close()
    })
  })
}
