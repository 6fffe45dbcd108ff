/** Every code block of README, docs and the examples' READMEs is checked, and run where that can be done here. */
import fs from 'node:fs'
import path from 'node:path'
import { transform } from 'esbuild'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse as parseYaml } from 'yaml'
import { cacheDir } from '../../../lib/common/cache-dir.js'
import { realModel } from '../../../scripts/real-models.mjs'
import { type Block, blocksOf, pages } from '../../docs/blocks.js'
import { unknownFlags } from '../../docs/commands.js'
import { surround, writeFiles } from '../../docs/fixtures.js'
import { makeBin, type Ran, Runner } from '../../docs/runner.js'
import { isServer, Servers } from '../../docs/servers.js'
import { silenced, typeErrors } from '../../docs/types.js'
import { root, run } from '../../helpers/child.js'
import { has } from '../../helpers/needs.mjs'
import { standinPath } from '../../helpers/standins.js'

const PROGRAMS = new Set(['js', 'ts'])
const SHELLS = new Set(['sh', 'console'])
/** Languages of blocks, and what is done with them: see `check`. */
const LANGUAGES = new Set([
  ...PROGRAMS,
  ...SHELLS,
  'text',
  'json',
  'jsonl',
  'yaml',
  'sql',
  'python',
])
const NEVER_RUN = new Set(['text', 'json', 'jsonl', 'yaml', 'python'])

const all = new Map(pages().map((page) => [page, blocksOf(page)] as const))
const blocks = [...all.values()].flat()
const nameOf = ({ page, line, language }: Block) => `${page}:${line} ${language}`

const work = path.join(root, '.build', `docs-blocks-${process.pid}`)
/** What is no CommonJS is compiled as TypeScript: a reader may paste it there. */
const extensionOf = ({ language, code }: Block) =>
  language === 'js' && /\brequire\(/.test(code) && !/^import /m.test(code) ? 'cjs' : 'mts'
const fileOf = (block: Block) =>
  path.join(
    work,
    'modules',
    `${block.page.replaceAll('/', '_')}-${block.line}.${extensionOf(block)}`,
  )

let runner: Runner
const servers = new Servers()
let types: Map<string, string[]>
const models: Record<string, string> = {}

/** Types that the signatures of a page name. */
const TYPES = `import type * as package$ from 'bge-m3-node'
import type { BatchInfo, Chunk, ChunkTextOptions, DecodeOptions, EmbeddedChunk, EmbedderError, Embedding, EmbedOptions, EmbedOptionsFor, OutputsOption, ResultFor, Precision, PrecisionArrays, RunStats, SparseInput, TextChunk, TokenizeOptions, TokenizeResult, TokenPiece } from 'bge-m3-node'
import type { QualityReport } from 'bge-m3-node/quality'
`

/** What an example of the reference has around it. */
const EXAMPLE_HEAD = `import { calibrate, chunkText, computeScore, Embedder, Reranker, Tokenizer, topK } from 'bge-m3-node'
import { createServer } from 'bge-m3-node/server'
import type { SearchIndex } from 'bge-m3-node/search'
import { type EmbeddingCache, openCache } from 'bge-m3-node/cache'
import { connectEmbedder, serveEmbedder } from 'bge-m3-node/worker'
import { parentPort, Worker } from 'node:worker_threads'
declare const m3: Embedder
declare const reranker: Reranker
declare const index: SearchIndex
declare const cache: EmbeddingCache
declare const texts: string[]
{
`

/** What the page shows of a type must be true of the real one. */
function shapeModule({ code, shapeOf }: Block): string {
  const members = /^interface [^{]*\{\n(.*)\n\}\s*$/s.exec(code)?.[1] ?? code
  const real = shapeOf === 'package' ? 'typeof package$' : `package$.${shapeOf}`
  return `${TYPES}interface Shown$<P extends Precision> {
${members}
}
export const check$ = <P extends Precision>(real: ${real}): Shown$<P> => real
`
}

/** A program with what its reader has around it. */
function moduleOf(block: Block): string {
  if (block.shapeOf) return shapeModule(block)
  if (extensionOf(block) === 'cjs') return block.code
  const { before, after } = surround(block.with.filter((name) => !isServer(name)))
  return `${before}\n${block.code}\n${after}\nexport {}\n`
}

beforeAll(async () => {
  models.tiny = await standinPath({ size: 'tiny' })
  models.small = await standinPath({ size: 'small' })
  // what is printed on trained weights is compared where pip can fetch them
  if (has('minilm')) models.real = await realModel('all-MiniLM-L6-v2')
  fs.rmSync(work, { recursive: true, force: true })
  fs.mkdirSync(path.join(work, 'modules'), { recursive: true })
  makeBin(path.join(work, 'bin'))
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('BGE_M3_'))
  // nothing here may touch the caches of this machine; vocabularies come from llama.cpp's sources
  const caches = path.join(work, 'cache')
  fs.mkdirSync(caches)
  fs.symlinkSync(path.join(cacheDir(), 'build'), path.join(caches, 'build'))
  runner = new Runner({
    ...Object.fromEntries(inherited),
    BGE_M3_CACHE_DIR: caches,
    PATH: `${path.join(work, 'bin')}:${path.dirname(process.execPath)}:${process.env.PATH}`,
    NO_COLOR: '1',
  })
  const programs = blocks.filter(({ language }) => PROGRAMS.has(language))
  for (const block of programs) fs.writeFileSync(fileOf(block), moduleOf(block))
  types = typeErrors(programs.map(fileOf))
})

afterAll(async () => {
  runner?.close()
  await servers.close()
  fs.rmSync(work, { recursive: true, force: true })
})

// one after the other: a block may read what the one before it wrote
for (const [page, ofPage] of all)
  describe(page, { shuffle: false }, () => {
    const folder = path.join(work, 'pages', page.replaceAll('/', '_'))
    beforeAll(() => {
      writeFiles(folder)
      // what a page calls by these names
      fs.symlinkSync(models.small as string, path.join(folder, 'small.gguf'))
      fs.symlinkSync(models.tiny as string, path.join(folder, 'model.gguf'))
    })

    if (ofPage.length === 0) it('has no code', () => {})
    it.each(ofPage.map((block) => [nameOf(block), block] as const))('%s', async (_, block) => {
      expect(LANGUAGES, 'a language that is not checked').toContain(block.language)
      await check(block)
      if (block.checkedOnly || block.shapeOf || NEVER_RUN.has(block.language)) return
      const cwd = block.inRepository ? root : folder
      const model = models[block.model]
      if (PROGRAMS.has(block.language) || block.language === 'sql')
        await runProgram(block, cwd, model)
      else if (block.language === 'sh') await runShell(block, cwd, model as string)
      else if (block.language === 'console') await runConsole(block, cwd)
    })
  })

/** What needs no running. */
async function check(block: Block): Promise<void> {
  const { language, code } = block
  if (PROGRAMS.has(language)) {
    expect(types.get(fileOf(block)) ?? []).toEqual([])
    expect(silenced(code), 'types must do without').toEqual([])
  }
  if (language === 'json') expect(() => JSON.parse(code)).not.toThrow()
  if (language === 'jsonl') for (const line of code.trim().split('\n')) JSON.parse(line)
  if (language === 'yaml') expect(() => parseYaml(code)).not.toThrow()
  if (language === 'python' && has('python')) {
    const parsed = await run('python3', ['-c', 'import ast, sys; ast.parse(sys.argv[1])', code])
    expect(parsed.code, parsed.stderr).toBe(0)
  }
  if (SHELLS.has(language)) {
    const commands =
      language === 'sh'
        ? code
        : commandsOf(code)
            .map(({ command }) => command)
            .join('\n')
    const syntax = await run('bash', ['-n', '-c', commands])
    expect(syntax.code, syntax.stderr).toBe(0)
    expect(unknownFlags(commands)).toEqual([])
  }
}

async function runProgram(block: Block, cwd: string, model: string | undefined): Promise<void> {
  const whole = block.language === 'sql' ? sqlModule(block.code) : moduleOf(block)
  const source = await servers.address(whole, block.with, models.tiny as string)
  const isCommonJs = fileOf(block).endsWith('.cjs')
  const file = fileOf(block).replace(/\.[mc][jt]s$/, isCommonJs ? '.run.cjs' : '.run.mjs')
  const format = isCommonJs ? 'cjs' : 'esm'
  const { code } = await transform(source, { loader: 'ts', format, target: 'node20' })
  fs.writeFileSync(file, code)
  if (isCommonJs) {
    const ran = await runner.shell(`node "${file}"`, cwd, model as string)
    expect(ran.exits, ran.error).toBe(0)
    expectOutput(block, ran, cwd)
    return
  }
  const ran = await runner.module(file, cwd, model ?? (models.tiny as string))
  expect(ran.error).toBeUndefined()
  if (model !== undefined) expectOutput(block, ran, cwd)
}

async function runShell(block: Block, cwd: string, model: string): Promise<void> {
  if (/\bcurl\b/.test(block.code) && !has('curl')) return
  const code = await servers.address(block.code, block.with, models.tiny as string)
  const ran = await runner.shell(code, cwd, model)
  expect(ran.exits, ran.error).toBe(block.exits)
  expectOutput(block, ran, cwd)
}

/** `$ command` and what it prints on stdout; lines that start with `bge-m3:` are stderr's. */
async function runConsole(block: Block, cwd: string): Promise<void> {
  for (const { command, output } of commandsOf(block.code)) {
    const expected = output.filter((line) => !line.startsWith('bge-m3:'))
    const ran = await runner.shell(`${command} || true`, cwd, models.small as string)
    const printed = ran.output.replaceAll(
      fs.realpathSync(models.small as string),
      '/models/small.gguf',
    )
    expect(clean(printed), command).toEqual(expected)
  }
}

function commandsOf(code: string): { command: string; output: string[] }[] {
  return code
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const [command = '', ...output] = part.trimEnd().split('\n')
      return { command, output }
    })
}

const clean = (output: string) =>
  output
    .trimEnd()
    .split('\n')
    .map((line) => line.trimEnd())

function expectOutput(block: Block, { output }: Ran, cwd: string): void {
  expect(output).not.toMatch(/\bNaN\b|\bundefined\b|\[object Object\]/)
  if (block.output !== undefined)
    expect(clean(output.replaceAll(cwd, '.'))).toEqual(clean(block.output))
}

/** PostgreSQL reads each statement, with the names and types in it. */
function sqlModule(sql: string): string {
  const statements = sql
    .replace(/--[^\n]*/g, '')
    .split(';')
    .filter((statement) => statement.trim() !== '')
    .map((statement) =>
      /^\s*(CREATE|ALTER|DROP)/i.test(statement)
        ? `BEGIN; ${statement}; ROLLBACK`
        : `PREPARE statement AS ${statement}; DEALLOCATE statement`,
    )
  const { before } = surround(['db'])
  return `${before}\nfor (const sql of ${JSON.stringify(statements)}) await db.exec(sql)\n`
}

describe('examples of the API reference', () => {
  const sources = fs
    .readdirSync(path.join(root, 'lib'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
  const examples = sources.flatMap((name) => {
    const source = fs.readFileSync(path.join(root, 'lib', name), 'utf8')
    return [...source.matchAll(/^ *\* @example\n((?: *\* (?!@).*\n)+)/gm)].map(
      ([, lines = ''], i) => ({
        file: path.join(work, 'modules', `${name.replaceAll('/', '_')}-${i}.example.mts`),
        code: lines.replace(/^ *\* /gm, ''),
      }),
    )
  })

  it('are one for each of the main calls', () => expect(examples.length).toBeGreaterThanOrEqual(16))

  it('compile', () => {
    for (const { file, code } of examples) fs.writeFileSync(file, `${EXAMPLE_HEAD}${code}}\n`)
    const found = typeErrors(examples.map(({ file }) => file))
    expect([...found].map(([file, errors]) => `${path.basename(file)}: ${errors}`)).toEqual([])
    expect(examples.flatMap(({ code }) => silenced(code))).toEqual([])
  })

  // an editor shows a member's text without the name above it: "Of the last hop." says nothing there
  it('and no text that an editor shows begins in the middle', () => {
    const dist = path.join(root, 'dist')
    const texts = fs
      .readdirSync(dist)
      .filter((name) => name.endsWith('.d.ts'))
      .flatMap((name) => fs.readFileSync(path.join(dist, name), 'utf8').split('\n'))
    expect(texts.filter((line) => /^\s*(\/\*\*|\*) Of /.test(line))).toEqual([])
  })
})

describe('what is not run', () => {
  const notRun = blocks.filter(({ checkedOnly }) => checkedOnly !== undefined)

  it('says why', () => {
    const silent = notRun.filter(({ checkedOnly = '' }) => !/\w+ \w+/.test(checkedOnly))
    expect(silent.map(nameOf)).toEqual([])
  })

  it('is the smaller part', () => {
    const runnable = blocks.filter(({ language }) => !NEVER_RUN.has(language))
    console.log(
      `${blocks.length} blocks, ${runnable.length} of them code; not run: ${notRun.length}\n${notRun.map((block) => `  ${nameOf(block)}: ${block.checkedOnly}`).join('\n')}`,
    )
    expect(notRun.length).toBeLessThan(runnable.length / 3)
  })
})
