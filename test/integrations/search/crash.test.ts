/** Processes that die in the middle, and several at once. */
import { spawn } from 'node:child_process'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Embedder } from '../../../lib/embedder/embedder.js'
import { openIndex } from '../../../lib/exports/search.js'
import { root, run, runModule } from '../../helpers/child.js'
import { standinPath } from '../../helpers/standins.js'
import { mixedTexts } from '../../helpers/texts.js'
import { Workspace } from './helpers.js'

const FILES = process.env.BGE_M3_TEST_LONG === '1' ? 800 : 240
const main = path.join(root, 'dist/cli/main.js')

let m3: Embedder
let model: string
let work: Workspace
beforeAll(async () => {
  model = await standinPath({ size: 'tiny' })
  m3 = await Embedder.load({ model, cache: false })
})
afterAll(() => m3.dispose())
beforeEach(async () => {
  work = await Workspace.make()
})
afterEach(() => work.remove())

const texts = mixedTexts(FILES)
const command = (...args: string[]) => run(process.execPath, [main, ...args], { deadline: 50_000 })
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

describe('kill -9 while indexing', () => {
  it('loses nothing that was written, and the next run goes on', async () => {
    // a file of many chunks as well: it is gone on with in its middle
    await work.put('long.txt', texts.join('\n\n'))
    for (const [i, text] of texts.slice(0, FILES / 2).entries()) await work.put(`${i}.txt`, text)
    let before = 0
    let kills = 0
    for (const part of [0.1, 0.3, 0.5]) {
      if (await killedAt(before + Math.ceil(FILES * part * 0.3))) kills++
      const now = await vectors()
      expect(now).toBeGreaterThanOrEqual(before)
      before = now
    }
    expect(kills).toBeGreaterThan(0)
    const { code, stdout } = await command(...indexArgs())
    expect(code).toBe(0)
    const result = JSON.parse(stdout)
    expect(result.index.files).toBe(FILES / 2 + 1)
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
