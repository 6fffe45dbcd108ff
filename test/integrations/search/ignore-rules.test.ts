/** Ignore rules: what is left of random trees is what git lists. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { matches, parsePattern } from '../../../lib/integrations/search/ignore-pattern.js'
import { walk } from '../../../lib/integrations/search/walk.js'

const work = realpathSync(mkdtempSync(join(tmpdir(), 'bge-m3-ignore-')))
const top = join(work, 'tree')
afterAll(() => rmSync(work, { recursive: true }))
beforeEach(() => plant({}))

// no rules of this machine or its user
const env = { PATH: process.env.PATH, HOME: work, GIT_CONFIG_NOSYSTEM: '1' }
const git = (cwd: string, ...args: string[]) =>
  execFileSync('git', args, { cwd, env, encoding: 'utf8' })

/** The tree has these files and nothing else. */
function plant(files: Readonly<Record<string, string>>): void {
  rmSync(top, { recursive: true, force: true })
  mkdirSync(top)
  git(top, 'init', '-q', '--template=')
  for (const [name, content] of Object.entries(files)) {
    const path = join(top, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
  }
}

function listed(folder = ''): string[] {
  const names = git(join(top, folder), 'ls-files', '--others', '--exclude-standard', '-z')
  return names.split('\0').slice(0, -1).sort()
}

async function walked(folder = ''): Promise<string[]> {
  const root = join(top, folder)
  const found: string[] = []
  await walk(
    root,
    { hidden: true, include: ['*'], store: '/nowhere' },
    {
      onFile: ({ path }) => found.push(relative(root, path)),
      onSkip: () => {},
      onFailure: ({ error }) => {
        throw error
      },
    },
  )
  return found.sort()
}

const name = fc.constantFrom(
  'a',
  'b',
  'ab',
  'abc',
  'A',
  'é',
  'a b',
  '.x',
  'c.txt',
  '[a]',
  'a-b',
  'b ',
)
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'))
const piece = fc.constantFrom(
  ...[
    'a',
    'b',
    'c',
    'A',
    'é',
    '.x',
    'c.txt',
    '*',
    '*',
    '**',
    '**/',
    '/**',
    '?',
    '/',
    '/',
    '-',
    ' ',
  ],
  ...['[ab]', '[!a]', '[^b]', '[a-c]', '[c-a]', '[[:alpha:]]', '[[:upper:]b]', '[[:no:]]', '[]a]'],
  ...['[a-]', '[\\a]', '[', ']', '\\', '\\*', '\\ ', '[/]', '[!/]', '***', '#', '!'],
)
const line = fc
  .tuple(fc.constantFrom('', '', '', '!', '/', '#', '\\!'), fc.array(piece, { maxLength: 5 }))
  .map(([begin, pieces]) => begin + pieces.join(''))
const rules = fc
  .tuple(fc.array(line, { minLength: 1, maxLength: 5 }), fc.constantFrom('\n', '\r\n'))
  .map(([lines, ending]) => lines.join(ending))

/** By a pattern that matches it, or a folder that it is in. */
function isIgnored(text: string, one: string): boolean {
  const pattern = parsePattern(text)
  const names = one.split('/')
  return names.some((_, i) => {
    const isFolder = i < names.length - 1
    return pattern !== undefined && matches(pattern, names.slice(0, i + 1).join('/'), isFolder)
  })
}

describe('ignore rules', () => {
  it("leave of a random tree what git's leave", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(path, { minLength: 3, maxLength: 12 }),
        fc.array(fc.tuple(fc.nat(20), rules), { minLength: 1, maxLength: 4 }),
        fc.nat(20),
        async (paths, ruled, from) => {
          // a name is a folder or a file
          const files = paths.filter((one) => !paths.some((other) => other.startsWith(`${one}/`)))
          const folders = [
            '',
            ...new Set(files.map((file) => dirname(file)).filter((dir) => dir !== '.')),
          ]
          const at = (index: number) => folders[index % folders.length] as string
          plant({
            ...Object.fromEntries(files.map((file) => [file, ''])),
            ...Object.fromEntries(
              ruled.map(([index, text]) => [join(at(index), '.gitignore'), text]),
            ),
          })
          expect(await walked()).toEqual(listed())
          const start = at(from)
          // who names a folder wants it, whatever the rules around it say
          const ignored = spawnSync('git', ['check-ignore', '-q', start], { cwd: top, env })
          if (start !== '' && ignored.status !== 0)
            expect(await walked(start)).toEqual(listed(start))
        },
      ),
      { numRuns: 80 },
    )
  })

  it('are, pattern by pattern, those of git', () => {
    fc.assert(
      fc.property(
        fc.array(line, { minLength: 40, maxLength: 40 }),
        fc.uniqueArray(path, { minLength: 5, maxLength: 20 }),
        (lines, paths) => {
          // each pattern rules a folder of its own
          const folders = lines.map(
            (text, i) => [`p${i}/.gitignore`, text.replace(/^!+/, '')] as const,
          )
          plant(Object.fromEntries(folders))
          const asked = folders.flatMap(([, text], i) => paths.map((one) => ({ text, one, i })))
          const { stdout } = spawnSync(
            'git',
            ['check-ignore', '--no-index', '-v', '-n', '-z', '--stdin'],
            {
              cwd: top,
              env,
              input: asked.map(({ one, i }) => `p${i}/${one}`).join('\0'),
              encoding: 'utf8',
            },
          )
          const fields = stdout.split('\0')
          asked.forEach(({ text, one }, i) => {
            const ignored = fields[4 * i + 2] !== ''
            expect({ text, one, ignored: isIgnored(text, one) }).toEqual({ text, one, ignored })
          })
        },
      ),
      { numRuns: 20 },
    )
  })

  it('do not hold where an inner file lets a folder in again', async () => {
    plant({
      '.gitignore': 'build\n',
      'a/.gitignore': '!build\n',
      'a/build/x.txt': '',
      'b/build/x.txt': '',
    })
    expect(await walked()).toEqual(['.gitignore', 'a/.gitignore', 'a/build/x.txt'])
    expect(listed()).toEqual(await walked())
  })

  it('tell letters apart', async () => {
    plant({ '.gitignore': 'notes.md\n', 'Notes.md': '', 'NOTES.md': '', 'notes.md': '' })
    expect(await walked()).toEqual(['.gitignore', 'NOTES.md', 'Notes.md'])
    expect(listed()).toEqual(await walked())
  })

  it('are those of the repository around, and of no other', async () => {
    plant({
      '.gitignore': '*.md\n/docs/drafts/\n',
      'docs/a.md': '',
      'docs/drafts/b.txt': '',
      'docs/secret.txt': '',
      'docs/c.txt': '',
      'docs/inner/.gitignore': '*.txt\n',
      'docs/inner/d.md': '',
      'docs/inner/e.txt': '',
    })
    mkdirSync(join(top, '.git/info'))
    writeFileSync(join(top, '.git/info/exclude'), 'secret.*\n')
    expect(await walked('docs')).toEqual(['c.txt', 'inner/.gitignore'])
    expect(listed('docs')).toEqual(await walked('docs'))
    git(join(top, 'docs/inner'), 'init', '-q', '--template=')
    expect(await walked('docs/inner')).toEqual(['.gitignore', 'd.md'])
    expect(listed('docs/inner')).toEqual(await walked('docs/inner'))
    // what lies above the repository is not asked
    writeFileSync(join(work, '.gitignore'), '*\n')
    expect(await walked('docs')).toContain('c.txt')
    rmSync(join(work, '.gitignore'))
  })

  it('are matched in no time, whatever they are', () => {
    const hostile = parsePattern(`${'*a'.repeat(2000)}b`)
    const deep = parsePattern(`${'**/a*/'.repeat(300)}b`)
    if (!hostile || !deep) throw new Error('no pattern')
    expect(matches(hostile, 'a'.repeat(255), false)).toBe(false)
    expect(matches(deep, 'aa/'.repeat(600), false)).toBe(false)
  })
})
