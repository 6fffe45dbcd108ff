/** Whatever happens to a folder: after an update the index is what the folder is, for the least work. */
import { mkdir, readdir, readFile, rename, rm, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Embedder } from '../../../lib/embedder/embedder.js'
import type { SearchIndex } from '../../../lib/exports/search.js'
import { tinyPath } from '../../helpers/standins.js'
import { Workspace } from './helpers.js'

const NAMES = ['a.txt', 'b.md', 'sub/a.txt', 'sub/deep/c.txt', 'other/README', 'sub2/a.txt']
/** Of equal length, so that no size tells them apart. */
const CONTENTS = ['one text.', 'two text.', 'six text.', 'ten text.']

type Step =
  | { do: 'write'; name: string; content: string }
  | { do: 'remove' | 'touch' | 'restore'; name: string }
  | { do: 'rename'; name: string; to: string }
  | { do: 'update' }

const name = fc.constantFrom(...NAMES)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      name,
      content: fc.constantFrom(...CONTENTS),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('remove' as const, 'touch' as const, 'restore' as const),
      name,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('rename' as const), name, to: name }) },
  { weight: 3, arbitrary: fc.constant({ do: 'update' as const }) },
)

/** Times that a careless tool gives: the same whatever the content is. */
const OLD = 1_000_000_000

async function apply(work: Workspace, action: Exclude<Step, { do: 'update' }>): Promise<void> {
  const path = work.path(action.name)
  const ignoreMissing = (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  }
  if (action.do === 'write') await work.put(action.name, action.content)
  else if (action.do === 'remove') await rm(path, { force: true })
  else if (action.do === 'touch') await utimes(path, new Date(), new Date()).catch(ignoreMissing)
  else if (action.do === 'restore') await utimes(path, OLD, OLD).catch(ignoreMissing)
  else if ('to' in action) {
    await mkdir(join(work.path(action.to), '..'), { recursive: true })
    await rename(path, work.path(action.to)).catch(ignoreMissing)
  }
}

async function onDisk(work: Workspace): Promise<Map<string, string>> {
  const entries = await readdir(work.docs, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  const pairs = files.map(async (entry) => {
    const path = join(entry.parentPath, entry.name)
    return [path, await readFile(path, 'utf8')] as const
  })
  return new Map(await Promise.all(pairs))
}

async function indexed(index: SearchIndex): Promise<Map<string, string>> {
  const hits = await index.search('text', { limit: 1000 })
  return new Map(hits.map(({ path, text }) => [path as string, text as string]))
}

export function changesAreFollowed(runs: number): void {
  describe('change detection', { timeout: 600_000 + 5000 * runs }, () => {
    let m3: Embedder
    beforeAll(async () => {
      m3 = await Embedder.load({ model: await tinyPath(), cache: false })
    })
    afterAll(() => m3.dispose())

    it('follows every sequence of changes', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 14 }), async (steps) => {
          const work = await Workspace.make()
          try {
            const index = await work.index(m3)
            let before = new Map<string, string>()
            for (const action of [...steps, { do: 'update' as const }]) {
              if (action.do !== 'update') {
                await apply(work, action)
                continue
              }
              const { files, chunks } = await index.update(work.docs)
              const now = await onDisk(work)
              expect(await indexed(index)).toEqual(now)
              const known = new Set(before.values())
              const fresh = new Set([...now.values()].filter((content) => !known.has(content)))
              expect(chunks.embedded).toBe(fresh.size)
              const kept = [...now].filter(([path, content]) => before.get(path) === content)
              expect(files.unchanged).toBe(kept.length)
              const others = [...now].filter(([path]) => before.has(path))
              expect(files.changed).toBe(others.length - kept.length)
              expect(files.new + files.renamed).toBe(now.size - others.length)
              expect(files.removed + files.renamed).toBe(before.size - others.length)
              expect(files).toMatchObject({ failed: 0, skipped: 0 })
              const { vectors } = await index.stats()
              expect(vectors).toBe(new Set(now.values()).size)
              before = now
            }
          } finally {
            await work.remove()
          }
        }),
        { numRuns: runs },
      )
    })
  })
}
