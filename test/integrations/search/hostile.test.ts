/** Files as nobody would wish them: each costs itself at most, and is named with a reason. */
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Embedder } from '../../../lib/embedder/embedder.js'
import type { UpdateResult } from '../../../lib/exports/search.js'
import { has } from '../../helpers/needs.mjs'
import { tinyPath } from '../../helpers/standins.js'
import { Workspace } from './helpers.js'

let m3: Embedder
let work: Workspace
beforeAll(async () => {
  m3 = await Embedder.load({ model: await tinyPath(), cache: false })
})
afterAll(() => m3.dispose())
beforeEach(async () => {
  work = await Workspace.make()
})
afterEach(() => work.remove())

const reasons = (result: UpdateResult) =>
  Object.fromEntries(
    result.skipped.map(({ path, reason }) => [path.slice(work.docs.length + 1), reason]),
  )
const failed = (result: UpdateResult) =>
  result.failures.map(({ path, error }) => [path.slice(work.docs.length + 1), error.message])

describe('what is left out', () => {
  it('is named with its reason', async () => {
    await work.put('kept.txt', 'Kept.')
    await work.put('.hidden.txt', 'Hidden.')
    await work.put('.git/HEAD.txt', 'Git.')
    await work.put('node_modules/x/README.md', 'A package.')
    await work.put('picture.png', 'An ending that is not ours.')
    await work.put('code.js', 'let a')
    await work.put('zeros.txt', Buffer.from('text\0text'))
    await work.put('zeros', Buffer.alloc(100))
    await work.put('empty.txt', '')
    await work.put('blank.md', ' \n\t \n')
    await work.put('mark.txt', Buffer.from([0xef, 0xbb, 0xbf]))
    await work.put('empty.html', '<script>let a = "text"</script><style>p {}</style>')
    await work.put('large.txt', '')
    await truncate(work.path('large.txt'), 10_000_001)
    const index = await work.index(m3)
    const result = await index.update(work.docs)
    expect(reasons(result)).toEqual({
      '.hidden.txt': 'hidden',
      '.git': 'excluded',
      node_modules: 'excluded',
      'picture.png': 'type',
      'code.js': 'type',
      'zeros.txt': 'binary',
      zeros: 'binary',
      'empty.txt': 'empty',
      'blank.md': 'empty',
      'mark.txt': 'empty',
      'empty.html': 'empty',
      'large.txt': 'too-large',
    })
    expect(result.files).toMatchObject({ new: 1, skipped: 12, failed: 0 })
    expect(result.skippedBy).toEqual({
      hidden: 1,
      excluded: 2,
      type: 2,
      binary: 2,
      empty: 4,
      'too-large': 1,
    })
    // and again, without anything to do
    expect(await index.update(work.docs)).toMatchObject({
      files: { unchanged: 1, skipped: 12, removed: 0 },
      chunks: { embedded: 0 },
    })
  })

  it('follows options', async () => {
    await work.put('.notes/a.txt', 'Hidden text.')
    await work.put('.git/b.txt', 'Never.')
    await work.put('src/main.js', 'let a = 1 // a program')
    await work.put('drafts/c.txt', 'A draft.')
    await work.put('drafts/keep.txt', 'A draft to keep.')
    await work.put('.gitignore', 'src/\n')
    await work.put('big.txt', 'x'.repeat(100))
    const index = await work.index(m3)
    const result = await index.update(work.docs, {
      hidden: true,
      gitignore: false,
      include: ['*.js', '.gitignore'],
      exclude: ['drafts/*', '!drafts/keep.txt'],
      maxFileSize: 50,
    })
    expect(reasons(result)).toEqual({
      '.git': 'excluded',
      'drafts/c.txt': 'excluded',
      'big.txt': 'too-large',
    })
    expect(result.files.new).toBe(4)
  })

  it('obeys ignore files as git does', async () => {
    await work.put('.gitignore', '*.txt\n!important.txt\n/top.md\nbuild/\n# a comment\n')
    await work.put('sub/.gitignore', '!a.txt\nb.md\n')
    await work.put('.ignore', 'extra.md\n')
    for (const name of ['a.txt', 'important.txt', 'top.md', 'extra.md', 'sub/top.md']) {
      await work.put(name, name)
    }
    for (const name of ['sub/a.txt', 'sub/b.md', 'sub/c.txt', 'build/x.md', 'sub/build/y.md']) {
      await work.put(name, name)
    }
    const index = await work.index(m3)
    const ignored = Object.entries(reasons(await index.update(work.docs)))
      .filter(([, reason]) => reason === 'ignored')
      .map(([path]) => path)
    execFileSync('git', ['init', '-q'], { cwd: work.docs })
    const files = (await readdir(work.docs, { recursive: true, withFileTypes: true }))
      .filter((entry) => !entry.parentPath.includes('.git') && !entry.name.startsWith('.'))
      .map((entry) => join(entry.parentPath, entry.name).slice(work.docs.length + 1))
    const { stdout } = await import('node:child_process').then(({ spawnSync }) =>
      spawnSync('git', ['check-ignore', '--no-index', '--stdin'], {
        cwd: work.docs,
        input: files.join('\n'),
        encoding: 'utf8',
      }),
    )
    // what is in an ignored folder was not looked at; `.ignore` is not git's
    const git = stdout
      .trim()
      .split('\n')
      .filter((path) => !path.includes('build/'))
    expect(ignored.sort()).toEqual([...git, 'extra.md'].sort())
    expect(git).toContain('sub/build')
  })

  it('is the index itself, wherever it lies', async () => {
    await work.put('a.txt', 'A text.')
    const { openIndex } = await import('../../../lib/exports/search.js')
    const index = await openIndex(work.path('index'), { embedder: m3 })
    try {
      const result = await index.update(work.docs)
      expect(reasons(result)).toEqual({ index: 'excluded' })
      expect((await index.update(work.docs)).files).toMatchObject({ unchanged: 1, failed: 0 })
    } finally {
      await index.close()
    }
  })
})

describe('links and other things', () => {
  it('are not followed, or once', async () => {
    await work.put('real/a.txt', 'A text in a folder.')
    await symlink(work.docs, work.path('real/loop'))
    await symlink(work.path('real'), work.path('zlink'))
    await symlink(work.path('real/a.txt'), work.path('file.txt'))
    await symlink(work.path('nowhere'), work.path('dangling.txt'))
    await symlink('self', work.path('self'))
    const index = await work.index(m3)
    const result = await index.update(work.docs)
    expect(reasons(result)).toEqual({
      'real/loop': 'symlink',
      zlink: 'symlink',
      'file.txt': 'symlink',
      'dangling.txt': 'symlink',
      self: 'symlink',
    })
    expect(result.files).toMatchObject({ new: 1, failed: 0 })
    const followed = await index.update(work.docs, { followSymlinks: true })
    expect(reasons(followed)).toEqual({
      'real/loop': 'symlink',
      zlink: 'symlink',
      'dangling.txt': 'symlink',
      self: 'symlink',
    })
    expect(followed).toMatchObject({ files: { new: 1, unchanged: 1 }, chunks: { embedded: 0 } })
  })

  it.skipIf(process.platform === 'win32')('are no files', async () => {
    execFileSync('mkfifo', [work.path('pipe.txt')])
    const server = createServer().listen(work.path('socket'))
    await new Promise((resolve) => server.once('listening', resolve))
    const index = await work.index(m3)
    const result = await index.update(work.docs)
    expect(reasons(result)).toEqual({ 'pipe.txt': 'special', socket: 'special' })
    // named itself, it is not waited for either
    expect(await index.update(work.path('pipe.txt'))).toMatchObject({ skippedBy: { special: 1 } })
    await new Promise((resolve) => server.close(resolve))
  })
})

describe('names', () => {
  it('hold every character', async () => {
    const names = [
      'it\'s "quoted" & <b>%_ ; DROP TABLE files;--.txt',
      'new\nline.txt',
      'tab\tbell\u0007.txt',
      'emoji 😀 and ü and ü.txt',
      'نص.txt',
      '-dash.txt',
      'back\\slash.txt',
      '#hash?.txt',
      `${'long'.repeat(60)}.txt`,
      ' blanks .txt',
      "$(touch x)`'.txt",
    ]
    for (const [i, name] of names.entries()) await work.put(name, `The text number ${i}.`)
    const index = await work.index(m3)
    expect(await index.update(work.docs)).toMatchObject({ files: { new: names.length, failed: 0 } })
    const hits = await index.search('text', { limit: 100 })
    expect(hits.map(({ path }) => path).sort()).toEqual(names.map((n) => work.path(n)).sort())
    expect(await index.update(work.docs)).toMatchObject({ files: { unchanged: names.length } })
    await rm(work.path(names[0] as string))
    expect(await index.update(work.docs)).toMatchObject({ files: { removed: 1 } })
  })

  it.skipIf(!has('linux'))('may be no UTF-8', async () => {
    const name = Buffer.concat([Buffer.from(work.path('bad-')), Buffer.from([0xff, 0xfe])])
    await writeFile(name, 'Nobody can say its name.')
    await mkdir(Buffer.concat([Buffer.from(work.path('folder-')), Buffer.from([0xe9])]))
    const result = await (await work.index(m3)).update(work.docs)
    expect(result.skippedBy).toEqual({ name: 2 })
    expect(result.files.failed).toBe(0)
  })
})

describe('contents', () => {
  it('come in UTF-8 and UTF-16, and in what HTML declares', async () => {
    const text = 'Grüße aus Köln – 日本語 😀'
    const utf16 = Buffer.from(`\ufeff${text}`, 'utf16le')
    await work.put('plain.txt', text)
    await work.put('mark.txt', Buffer.from(`\ufeff${text}`))
    await work.put('le.txt', utf16)
    await work.put('be.txt', Buffer.from(utf16).swap16())
    const html = (charset: string) =>
      Buffer.from(`<meta charset="${charset}"><p>Gr\xfc\xdfe`, 'latin1')
    await work.put('latin.html', html('iso-8859-1'))
    await work.put('windows.htm', html('windows-1252'))
    const index = await work.index(m3)
    const result = await index.update(work.docs)
    expect(result).toMatchObject({ files: { new: 6, failed: 0 }, chunks: { embedded: 2 } })
    const hits = await index.search('x', { limit: 10 })
    expect(new Set(hits.map((hit) => hit.text))).toEqual(new Set([text, 'Grüße']))
  })

  it('that are no text cost only their file', async () => {
    const bad: Record<string, Buffer> = {
      'latin.txt': Buffer.from('Gr\xfc\xdfe', 'latin1'),
      'cut.txt': Buffer.from([0x41, 0xe2, 0x82]),
      'surrogate.txt': Buffer.from([0xed, 0xa0, 0x80]),
      'odd.txt': Buffer.from([0xff, 0xfe, 0x41]),
      'lone.txt': Buffer.from([0xff, 0xfe, 0x00, 0xd8, 0x41, 0x00]),
      'unknown.html': Buffer.from('<meta charset="klingon">x'),
      'claims.html': Buffer.from('<meta charset="utf-8">\xfc', 'latin1'),
    }
    for (const [name, bytes] of Object.entries(bad)) await work.put(name, bytes)
    await work.put('good.txt', 'A good text.')
    const index = await work.index(m3)
    const result = await index.update(work.docs)
    expect(result.files).toMatchObject({ new: 1, failed: 7 })
    expect(failed(result)).toEqual([
      ['claims.html', expect.stringMatching(/not valid UTF-8/)],
      ['cut.txt', expect.stringMatching(/not valid UTF-8.*iconv/)],
      ['latin.txt', expect.stringMatching(/not valid UTF-8/)],
      ['lone.txt', expect.stringMatching(/not valid UTF-16LE/)],
      ['odd.txt', expect.stringMatching(/not valid UTF-16LE/)],
      ['surrogate.txt', expect.stringMatching(/not valid UTF-8/)],
      ['unknown.html', expect.stringMatching(/encoding that is not known/)],
    ])
    expect(result.failures.every(({ error }) => error.code === 'INVALID_INPUT')).toBe(true)
    // mended, one is taken; broken, what is known of one is no longer its content
    await work.put('latin.txt', 'Grüße')
    await work.put('good.txt', bad['latin.txt'] as Buffer)
    expect(await index.update(work.docs)).toMatchObject({
      files: { new: 1, removed: 1, failed: 7 },
    })
  })

  it('may be a character that does not fit, or one word of a megabyte', async () => {
    await work.put('family.txt', `A word. ${'👨‍👩‍👧‍👦'.repeat(3)} The end.`)
    await work.put('word.txt', 'ab'.repeat(20_000))
    await work.put('zalgo.txt', `e${'\u0301'.repeat(5000)}`)
    const index = await work.index(m3, { chunking: { maxTokens: 64, overlap: 0 } })
    const result = await index.update(work.docs)
    expect(result.files.new + result.files.failed).toBe(3)
    expect(result.files.new).toBeGreaterThanOrEqual(2)
    const hits = await index.search('x', { limit: 1000 })
    expect(hits.length).toBeGreaterThan(100)
  })

  it('are never in an error', async () => {
    await work.put('bad.txt', Buffer.from('secret \xfc word', 'latin1'))
    const { failures } = await (await work.index(m3)).update(work.docs)
    for (let error: unknown = failures[0]?.error; error instanceof Error; error = error.cause) {
      expect(`${error.message} ${error.stack}`).not.toContain('secret')
    }
  })
})

describe('what cannot be read', () => {
  it.skipIf(process.platform === 'win32')('keeps what is indexed of it', async () => {
    await work.put('a.txt', 'A text.')
    await work.put('b.txt', 'A text that will change.')
    await work.put('sub/c.txt', 'Another text.')
    await work.put('sub/d.txt', 'A third text.')
    const index = await work.index(m3)
    await index.update(work.docs)
    await work.put('b.txt', 'A text that has changed.')
    await chmod(work.path('b.txt'), 0)
    await chmod(work.path('sub'), 0)
    for (const open of [work.folder, work.docs, work.store]) await chmod(open, 0o777)
    for (const name of await readdir(work.store)) await chmod(join(work.store, name), 0o666)
    try {
      const result = await withoutPrivileges(() => index.update(work.docs))
      expect(failed(result).sort()).toEqual([
        ['b.txt', 'It cannot be read (EACCES).'],
        ['sub', 'It cannot be read (EACCES).'],
      ])
      expect(result.files).toMatchObject({ unchanged: 1, failed: 2, removed: 0, renamed: 0 })
    } finally {
      await chmod(work.path('sub'), 0o755)
    }
    expect(await index.stats()).toMatchObject({ files: 4, vectors: 4 })
    await chmod(work.path('b.txt'), 0o644)
    expect(await index.update(work.docs)).toMatchObject({
      files: { changed: 1, unchanged: 3, failed: 0 },
    })
  })

  it('may be gone by the time it is read', async () => {
    for (let i = 0; i < 6; i++) await work.put(`${i}.txt`, `Text number ${i}.`)
    const index = await work.index(m3)
    await index.update(work.docs)
    for (let i = 0; i < 6; i++) await work.put(`${i}.txt`, `Another text, number ${i}.`)
    const removed = rm(work.path('5.txt'))
    let isFirst = true
    const result = await index.update(work.docs, {
      onProgress: ({ phase }) => {
        if (phase === 'embed' && isFirst) execFileSync('rm', ['-f', work.path('4.txt')])
        if (phase === 'embed') isFirst = false
      },
    })
    await removed
    expect(result.files.failed).toBe(0)
    expect(result.files.removed).toBeGreaterThanOrEqual(1)
    const stats = await index.stats()
    expect(stats.files).toBe(6 - result.files.removed)
  })
})

/** Root may read everything: as somebody else. */
async function withoutPrivileges<T>(run: () => Promise<T>): Promise<T> {
  const isRoot = process.geteuid?.() === 0
  if (isRoot) process.seteuid?.(65_534)
  try {
    return await run()
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
}
