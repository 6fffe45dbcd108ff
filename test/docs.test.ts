/** The documentation, held to what it says: README programs run, examples run, links lead somewhere. */
import fs from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { environmentName, OPTION_NAMES } from '../lib/config.js'
import { startChromaServer } from './adapters/chroma-server.js'
import { root, run, runModule } from './helpers/child.js'
import { standinPath } from './helpers/standins.js'

const read = (name: string) => fs.readFileSync(path.join(root, name), 'utf8')
const readme = read('README.md')

let env: NodeJS.ProcessEnv
let model: string
beforeAll(async () => {
  model = await standinPath({ size: 'tiny' })
  const inherited = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('BGE_M3_') || name === 'BGE_M3_CACHE_DIR',
  )
  env = { ...Object.fromEntries(inherited), BGE_M3_MODEL: model }
})

/** A code block's language, its other marks, and the code. */
const BLOCK = /^```(\w+)(?: ([^\n]*))?\n(.*?)^```$/gms

const programs = [...readme.matchAll(BLOCK)]
  .filter(([, language, marks]) => language === 'js' && marks?.split(' ').includes('runnable'))
  .map(([, , , code]) => code as string)

describe("README's programs", () => {
  it('are there, and every js block is one', () => {
    expect(programs.length).toBeGreaterThanOrEqual(2)
    expect(readme.match(/^```js\b/gm)).toHaveLength(programs.length)
  })

  it.each(programs.map((code, i) => [i + 1, code] as const))('program %i runs', async (_, code) => {
    // the package is imported by its own name, as a program of a user's does
    const end = await runModule(code, { env, deadline: 50_000 })
    expect(end).toMatchObject({ code: 0, signal: null, timedOut: false, stderr: '' })
    expect(end.stdout).not.toBe('')
    expect(end.stdout).not.toMatch(/NaN|undefined|\[object/)
  })

  it('the first one is examples/basic/first.mjs', () => {
    expect(read('examples/basic/first.mjs')).toContain(programs[0])
  })
})

describe('examples', () => {
  const example = (...args: string[]) => run(process.execPath, args, { env, deadline: 50_000 })

  it('first', async () => {
    const end = await example('examples/basic/first.mjs')
    expect(end).toMatchObject({ code: 0, stderr: '' })
    expect(end.stdout).toContain('64 dimensions from 9 tokens')
  })

  it.each([
    ['examples/langchain/search.mjs', 2],
    ['examples/ai-sdk/embed.mjs', 3],
    ['examples/llamaindex/retrieve.mjs', 2],
    ['examples/postgres/fill.mjs', 3],
  ])('%s', async (file, lines) => {
    const end = await example(file)
    expect(end.code, end.stderr).toBe(0)
    expect(end.stdout.trim().split('\n')).toHaveLength(lines)
    expect(end.stdout).not.toMatch(/NaN|undefined|\[object/)
  })

  it('chroma', async () => {
    const server = await startChromaServer()
    try {
      const end = await run(process.execPath, ['examples/chroma/collection.mjs'], {
        env: { ...env, CHROMA_PORT: String(server.port) },
        deadline: 50_000,
      })
      expect(end.code, end.stderr).toBe(0)
      expect(end.stdout).toMatch(/^-?\d\.\d{4} \w+\n-?\d\.\d{4} \w+\n$/)
    } finally {
      await server.close()
    }
  })

  it('quickstart finds neighbours and says that they mean nothing', async () => {
    const end = await example('examples/basic/quickstart.mjs')
    expect(end.code, end.stderr).toBe(0)
    expect(end.stdout).toContain('Embedded 32 paragraphs')
    expect(end.stderr).toContain('STAND-IN')
    expect(end.stdout).toContain('these neighbours mean nothing')
  })

  it('batch collects errors', async () => {
    const end = await example('examples/batch/batch.mjs')
    expect(end.code, end.stderr).toBe(0)
    expect(end.stdout).toContain('38 embedded, 2 failed')
    expect(end.stdout).toContain('#7 INVALID_INPUT')
    expect(end.stdout).toContain('#19 INPUT_TOO_LONG')
    expect(end.stderr).toContain('40/40')
  })

  it('a model agrees with itself', async () => {
    const end = await example('examples/compare-models/compare.mjs', model, model)
    expect(end.code, end.stderr).toBe(0)
    expect(end.stdout).toContain('both agree on: 100.0 %')
  })
})

describe('pages', () => {
  const pages = [
    'README.md',
    'CONTRIBUTING.md',
    'CHANGELOG.md',
    'THIRD_PARTY_NOTICES.md',
    ...fs.readdirSync(path.join(root, 'docs')).map((name) => `docs/${name}`),
  ].filter((name) => name.endsWith('.md'))

  it.each(pages)('%s: links lead to files and headings that are there', (page) => {
    const text = read(page).replace(BLOCK, '')
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue
      const [file = '', anchor] = target.split('#')
      const to = file ? path.join(path.dirname(page), file) : page
      expect(fs.existsSync(path.join(root, to)), `${page} -> ${target}`).toBe(true)
      if (anchor) expect(headings(read(to)), `${page} -> ${target}`).toContain(anchor)
    }
  })

  it('README names every environment variable of the options', () => {
    const missing = OPTION_NAMES.map(environmentName).filter((name) => !readme.includes(name))
    expect(missing).toEqual([])
  })

  it('README names every error code and class', () => {
    const source = read('lib/errors.ts')
    const codes = [...source.matchAll(/^ {2}\| '([A-Z_]+)'$/gm)].map(([, code]) => code)
    const classes = [...source.matchAll(/export class (\w+)/g)].map(([, name]) => name)
    expect(codes.length).toBeGreaterThan(10)
    for (const name of [...codes, ...classes]) expect(readme).toContain(`\`${name}\``)
  })
})

/** GitHub's anchors of a page's headings. */
function headings(text: string): string[] {
  return [...text.replace(BLOCK, '').matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  )
}
