/** Processes that die in the middle, and several at once. */
import { spawn } from 'node:child_process'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Embedder } from '../../../lib/embedder/embedder.js'
import { openIndex } from '../../../lib/exports/search.js'
import { root, run, runModule } from '../../helpers/child.js'
import { tinyPath } from '../../helpers/standins.js'
import { mixedTexts } from '../../helpers/texts.js'
import { Workspace } from './helpers.js'
import { killedWhileIndexing } from './killed.js'

const main = path.join(root, 'dist/cli/main.js')

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

// one chunk each
const texts = mixedTexts(120).map((text) => text.slice(0, 400))
const command = (...args: string[]) => run(process.execPath, [main, ...args])
const indexArgs = () => ['index', work.docs, '--store', work.store, '--model', model, '--json']

killedWhileIndexing(240)

describe('several processes', () => {
  it('update one at a time, and search meanwhile', async () => {
    for (let i = 0; i < 8; i++) await work.put(`${i}.txt`, texts[i] as string)
    const index = await work.index(m3)
    await index.update(work.docs)
    const holder = spawn(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import Database from ${JSON.stringify(path.join(root, 'node_modules/libsql/index.js'))}
         const db = new Database(${JSON.stringify(path.join(work.store, 'lock.db'))})
         db.exec('BEGIN EXCLUSIVE')
         console.log('MARK')
         setInterval(() => db.open, 1000)`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    )
    const ended = new Promise((resolve) => holder.on('exit', resolve))
    try {
      await new Promise((resolve) => holder.stdout.once('data', resolve))
      for (const attempt of [
        index.update(work.docs),
        index.forget(work.docs),
        openIndex(work.store, { embedder: m3, rebuild: true }),
      ]) {
        await expect(attempt).rejects.toMatchObject({
          code: 'STORE',
          transient: true,
          message: expect.stringMatching(/being updated by another process; search works/),
        })
      }
      expect(await index.search('x')).toHaveLength(8)
      const refused = await command(...indexArgs())
      expect(refused.code).toBe(1)
      expect(JSON.parse(refused.stdout).error.code).toBe('STORE')
      const search = ['search', 'x', '--store', work.store, '--json', '--model', model]
      const found = await command(...search)
      expect({ code: found.code, stderr: found.stderr }).toMatchObject({ code: 0 })
      expect(JSON.parse(found.stdout).hits).toHaveLength(8)
      // a store is written to beside an update
      const store = index.store()
      const { items } = await m3.embedChunks([{ id: 'a', text: 'Written beside.' }], {
        outputs: { dense: true, sparse: true },
      })
      await store.write(items.map((chunk) => ({ chunk, text: 'Written beside.' })))
      await store.close()
    } finally {
      holder.kill('SIGKILL')
      await ended
    }
    // the lock died with its owner
    expect(await index.update(work.docs)).toMatchObject({ files: { unchanged: 8 } })
    expect(await index.stats()).toMatchObject({ chunks: 9 })
  })

  it('may make the index at the same moment', async () => {
    for (let i = 0; i < 20; i++) await work.put(`${i}.txt`, texts[i] as string)
    const ends = await Promise.all([1, 2, 3].map(() => command(...indexArgs())))
    const codes = ends.map(({ code }) => code)
    expect(codes).toContain(0)
    for (const { code, stdout } of ends) {
      if (code !== 0) expect(JSON.parse(stdout).error.code).toBe('STORE')
    }
    const index = await work.index(m3)
    expect(await index.update(work.docs)).toMatchObject({ files: { unchanged: 20 } })
  })

  it('search what a running update has done', async () => {
    for (let i = 0; i < 120; i++) await work.put(`${i}.txt`, texts[i] as string)
    const writer = await work.index(m3)
    const reader = await work.index(m3)
    let isRunning = true
    const updating = writer.update(work.docs).finally(() => {
      isRunning = false
    })
    const seen: number[] = []
    while (isRunning) {
      const found = await reader
        .search('x', { limit: 1000 })
        .catch((error) => (/is empty/.test(error.message) ? [] : Promise.reject(error)))
      expect(new Set(found.map(({ id }) => id)).size).toBe(found.length)
      seen.push(found.length)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await updating
    expect([...seen].sort((a, b) => a - b)).toEqual(seen)
    expect(await reader.search('x', { limit: 1000 })).toHaveLength((await reader.stats()).chunks)
  })
})

describe('an index in a process that just ends', () => {
  it('needs no closing', async () => {
    await work.put('a.txt', texts[0] as string)
    const end = await runModule(
      `import { Embedder } from ${JSON.stringify(path.join(root, 'dist/index.js'))}
       import { openIndex } from ${JSON.stringify(path.join(root, 'dist/search.js'))}
       const embedder = await Embedder.load({ model: ${JSON.stringify(model)} })
       const index = await openIndex(${JSON.stringify(work.store)}, { embedder })
       await index.update(${JSON.stringify(work.docs)})
       console.log((await index.search('x')).length)
       process.exit(0)`,
    )
    expect(end).toMatchObject({ code: 0, stderr: '', stdout: '1\n' })
    expect(await (await work.index(m3)).stats()).toMatchObject({ files: 1 })
  })

  it('works from CommonJS', async () => {
    const end = await run(process.execPath, [
      '-e',
      `const { openIndex } = require(${JSON.stringify(path.join(root, 'dist/search.cjs'))})
       openIndex(${JSON.stringify(work.store)}).then((index) => index.stats()).then(({ files }) => console.log(files))`,
    ])
    expect(end).toMatchObject({ code: 0, stderr: '', stdout: '0\n' })
  })
})
