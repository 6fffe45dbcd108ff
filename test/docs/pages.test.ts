/** The documentation, held to what it says: links, names, error codes, variables. */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { NAMED_MODELS } from '../../lib/model/names.js'
import { environmentName, OPTION_NAMES } from '../../lib/options/table.js'
import { root } from '../helpers/child.js'
import { anchorsOf, linksOf, pages, readPage } from './blocks.js'

const OTHERS = ['CONTRIBUTING.md', 'CHANGELOG.md', 'THIRD_PARTY_NOTICES.md', 'SECURITY.md'].filter(
  (name) => fs.existsSync(path.join(root, name)),
)

const exampleFolders = () =>
  fs
    .readdirSync(path.join(root, 'examples'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)

describe('links', () => {
  it.each([...pages(), ...OTHERS])('%s', (page) => {
    for (const target of linksOf(readPage(page))) {
      if (/^[a-z]+:/.test(target)) {
        // there is no network here: that the address exists is not checked
        expect(URL.canParse(target), target).toBe(true)
        expect(new URL(target).protocol, target).toMatch(/^(https|mailto):$/)
        continue
      }
      const [file = '', anchor] = target.split('#')
      const to = file ? path.posix.join(path.posix.dirname(page), file) : page
      expect(fs.existsSync(path.join(root, to)), `${page} -> ${target}`).toBe(true)
      if (anchor) expect(anchorsOf(readPage(to)), `${page} -> ${target}`).toContain(anchor)
    }
  })
})

describe('nothing is left out', () => {
  it('environment.md has every variable of the options', () => {
    const page = readPage('docs/environment.md')
    const names = OPTION_NAMES.map(environmentName)
    expect(names.filter((name) => !page.includes(`\`${name}`))).toEqual([])
  })

  it('troubleshooting.md has a section for every error code, with its class', () => {
    const source = fs.readFileSync(path.join(root, 'lib/common/errors.ts'), 'utf8')
    const codes = [...source.matchAll(/^ {2}\| '([A-Z_]+)'$/gm)].map(([, code = '']) => code)
    const classes = [...source.matchAll(/export class (\w+)/g)].map(([, name = '']) => name)
    expect(codes.length).toBeGreaterThan(10)
    const page = readPage('docs/troubleshooting.md')
    const sections = new Map(
      page.split(/^## /m).map((part) => [part.split('\n')[0]?.replaceAll('`', ''), part]),
    )
    for (const code of codes) {
      // what happened, and what to do
      expect(sections.get(code) ?? '', code).toMatch(/What to do/)
    }
    expect(classes.filter((name) => !page.includes(`\`${name}\``))).toEqual([])
  })

  it('cli.md has every command', async () => {
    const { commandNames } = await import('./commands.js')
    const page = readPage('docs/cli.md')
    expect(commandNames().filter((name) => !page.includes(`bge-m3 ${name}`))).toEqual([])
  })

  it('models.md has every model, as the table of names says', () => {
    const page = readPage('docs/models.md')
    const missing = NAMED_MODELS.filter(({ name }) => !page.includes(`[${name}](`))
    expect(missing).toEqual([])
    // throws where the script would write something else
    execFileSync(process.execPath, [path.join(root, 'scripts/models.mjs')], { stdio: 'pipe' })
  })

  it('examples.md has every example', () => {
    const page = readPage('docs/examples.md')
    expect(exampleFolders().filter((name) => !page.includes(`../examples/${name}/`))).toEqual([])
  })

  it('every example starts when it is copied out: its package.json has what it imports', () => {
    const { version, devDependencies } = JSON.parse(readPage('package.json'))
    const known = { ...devDependencies, 'bge-m3-node': `^${version}` }
    for (const name of exampleFolders()) {
      const folder = path.join(root, 'examples', name)
      const files = fs.readdirSync(folder).filter((file) => /\.[cm]js$/.test(file))
      if (files.length === 0) continue // a notebook
      const manifest = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'))
      const [, script] = /^node (\S+)/.exec(manifest.scripts.start) ?? []
      if (script) expect(files, name).toContain(script)
      const needed = { ...manifest.dependencies, ...manifest.devDependencies }
      for (const file of files) {
        const source = fs.readFileSync(path.join(folder, file), 'utf8')
        for (const [, from = ''] of source.matchAll(/\bfrom '([^.'][^']*)'/g)) {
          const [, wanted = ''] = /^((?:@[^/]+\/)?[^/]+)/.exec(from) ?? []
          if (!from.startsWith('node:')) expect(needed, `${name}/${file}`).toHaveProperty([wanted])
        }
      }
      for (const [wanted, range] of Object.entries(manifest.dependencies))
        expect(range, `${name}: ${wanted}`).toBe(known[wanted])
    }
  })

  it('the README sells in one screen and keeps the test command', () => {
    const readme = readPage('README.md')
    expect(readme.split('\n').length).toBeLessThan(160)
    expect(readme).toMatch(/^npm test\b/m)
  })

  it('its measured table has the numbers of benchmarks.md', () => {
    const rowsOf = (page: string) =>
      new Map(
        [...readPage(page).matchAll(/^\| (\d+ ?x ?\d+) \|(.*)\|$/gm)]
          .toReversed() // the first of a name wins: tokens a second, not ratios
          .map(([, name = '', cells = '']) => [name.replaceAll(' ', ''), cells]),
      )
    const measured = rowsOf('docs/benchmarks.md')
    const shown = rowsOf('README.md')
    expect(shown.size).toBeGreaterThan(3)
    for (const [name, cells] of shown) {
      for (const number of cells.split('|').map((cell) => cell.trim()))
        expect(` ${measured.get(name)}`, `${name}: ${number}`).toContain(` ${number} (`)
    }
  })

  it('its first program is examples/basic/first.mjs', () => {
    const [, program = ''] = /```js\n(.*?)```/s.exec(readPage('README.md')) ?? []
    const example = fs.readFileSync(path.join(root, 'examples/basic/first.mjs'), 'utf8')
    expect(example).toContain(program)
  })
})
