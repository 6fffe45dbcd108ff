/** `bge-m3 index`: what it prints, for people and for programs. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { standinPath, tinyPath } from '../../helpers/standins.js'
import { mixedTexts } from '../../helpers/texts.js'
import { cli, interruptible } from './run.js'

let model: string
let folder: string
let docs: string
let store: string
beforeAll(async () => {
  model = await tinyPath()
})
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cli-index-'))
  docs = join(folder, 'docs')
  store = join(folder, 'store')
  await mkdir(docs)
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const texts = mixedTexts(40)
async function put(name: string, content: string | Buffer): Promise<void> {
  await mkdir(dirname(join(docs, name)), { recursive: true })
  await writeFile(join(docs, name), content)
}
const index = (args: string[], options: Parameters<typeof cli>[1] = {}) =>
  cli(['index', docs, '--store', store, '--model', model, ...args], options)

describe('index', () => {
  it('says what it did', async () => {
    // short enough to be one chunk in any vocabulary
    await put('a.txt', (texts[0] as string).slice(0, 400))
    await put('b.md', (texts[1] as string).slice(0, 400))
    await put('c.html', '<h1>Title</h1><p>Some text.</p>')
    await put('.hidden.txt', 'x')
    await put('picture.png', 'x')
    await put('zeros.txt', Buffer.alloc(10))
    const first = await index([])
    expect(first.code).toBe(0)
    expect(first.stdout).toMatch(
      /^files: 3 new, 3 skipped\nchunks: 3 embedded \(\d+ tokens\), 0 known, in .*\nindex: 3 files, 3 chunks, .*B\n$/,
    )
    expect(first.stderr).toMatch(/stand-in/)
    expect(first.stderr).toContain('bge-m3: skipped 1: hidden\n')
    expect(first.stderr).toMatch(/skipped 1: binary \(.*zeros\.txt\)\n/)
    expect(first.stderr).toMatch(/skipped 1: no text, Markdown or HTML by their names\n/)
    const second = await index([])
    expect(second.stdout).toMatch(/^files: 3 unchanged, 3 skipped\nchunks: 0 embedded \(0 tokens\)/)
  })

  it('prints JSON, with what failed, and exit code 1', async () => {
    await put('good.txt', texts[0] as string)
    await put('bad\n\u001b[31m.txt', Buffer.from('Gr\xfc\xdfe', 'latin1'))
    const { code, stdout } = await index(['--json'])
    expect(code).toBe(1)
    const result = JSON.parse(stdout)
    expect(result).toMatchObject({
      files: { new: 1, failed: 1 },
      chunks: { embedded: 1, reused: 0 },
      failures: [
        {
          path: join(docs, 'bad\n\u001b[31m.txt'),
          error: { code: 'INVALID_INPUT', message: expect.stringContaining('UTF-8') },
        },
      ],
      index: { store, files: 1, chunks: 1, chunking: { maxTokens: 500, overlap: 50 } },
    })
    const people = await index([])
    expect(people.code).toBe(1)
    // no name moves the cursor or changes colours
    expect(people.stderr).toMatch(/bad\\x0a\\x1b\[31m\.txt: The file is not valid UTF-8/)
    expect(people.stderr).not.toContain('\u001b')
    expect(people.stderr).not.toContain('Gr')
  })

  it('takes patterns, sizes and chunk settings', async () => {
    await put('main.js', 'let a = 1')
    await put('drafts/x.txt', 'A draft.')
    await put('.notes/y.txt', 'A hidden note.')
    await put('large.txt', 'x '.repeat(2000))
    await put('long.txt', texts.slice(0, 4).join('\n\n'))
    await put('.gitignore', 'long.txt')
    const args = ['--include', '*.js', '--include', '*.ts', '--exclude', 'drafts/', '--hidden']
    const sizes = ['--max-file-size', '3kB', '--chunk-tokens', '120', '--overlap', '0', '--json']
    const ignored = JSON.parse((await index([...args, ...sizes])).stdout)
    expect(ignored).toMatchObject({
      files: { new: 3 },
      skippedBy: { excluded: 1, 'too-large': 1, ignored: 1 },
      index: { chunking: { maxTokens: 120, overlap: 0 } },
    })
    const all = await index([...args, '--no-gitignore', '--max-file-size', '1MB', '--json'])
    expect(JSON.parse(all.stdout)).toMatchObject({ files: { new: 2, unchanged: 3 } })
  })

  it('asks for --rebuild when settings or models differ, and forgets', async () => {
    await put('a.txt', texts[0] as string)
    await index([])
    const other = await index(['--chunk-tokens', '100'])
    expect(other).toMatchObject({ code: 2, stdout: '' })
    expect(other.stderr).toContain('--rebuild')
    const minilm = await standinPath({ size: 'tiny', seed: 2 })
    const another = await cli(['index', docs, '--store', store, '--model', minilm, '--json'])
    expect(another.code).toBe(2)
    expect(JSON.parse(another.stdout).error).toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringMatching(/another model.*--rebuild/),
    })
    expect((await index(['--chunk-tokens', '100', '--rebuild'])).stdout).toMatch(/^files: 1 new/)
    // without a model
    const forget = ['index', docs, '--store', store, '--forget']
    expect(await cli(forget)).toMatchObject({ code: 0, stdout: '1 files removed\n' })
    expect(JSON.parse((await cli([...forget, '--json'])).stdout)).toEqual({ removed: 0 })
  })

  it.each([
    [['index', '-s', 'x'], /missing required argument 'dir'/],
    [['index', '.'], /--store/],
    [['index', '.', '--store', 'x', '--chunk-tokens', 'many'], /--chunk-tokens/],
    [['index', '.', '--store', 'x', '--max-file-size', 'huge'], /--max-file-size/],
  ])('refuses wrong usage %#', async (args, message) => {
    const { code, stderr } = await cli([...args])
    expect(code).toBe(2)
    expect(stderr).toMatch(message)
  })

  it('says what is not there', async () => {
    const missing = await cli(['index', join(folder, 'nowhere'), '-s', store, '--model', model])
    expect(missing.code).toBe(2)
    expect(missing.stderr).toMatch(/nowhere cannot be read \(ENOENT\)/)
    const none = await cli(['index', docs, '-s', store], {
      env: { BGE_M3_CACHE_DIR: join(folder, 'cache') },
    })
    expect(none.code).toBe(3)
    expect(none.stderr).toMatch(/bge-m3 model pull/)
  })

  it('can be interrupted, and shows its progress on a terminal', async () => {
    for (const [i, text] of texts.entries()) await put(`${i}.txt`, text)
    const { signal, interrupt } = interruptible()
    const options = { signal, tty: { stderr: true } }
    const running = index(['--chunk-tokens', '60'], options)
    // before, while or after it embeds: nothing may be lost either way
    const timer = setTimeout(interrupt, 150)
    const cut = await running
    clearTimeout(timer)
    expect([0, 130]).toContain(cut.code)
    if (cut.code === 130) expect(cut.stderr).toMatch(/interrupted/)
    const rest = await index([], { tty: { stderr: true } })
    expect(rest.code).toBe(0)
    const again = await index(['--json'])
    expect(JSON.parse(again.stdout)).toMatchObject({
      files: { unchanged: 40 },
      chunks: { embedded: 0 },
    })
    expect(`${cut.stderr}${rest.stderr}`).toMatch(/Indexing \[/)
  })
})
