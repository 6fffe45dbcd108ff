/**
 * The code blocks of README, docs and examples, with what HTML comments above them say about running:
 *
 *     <!-- with: m3, chunks -->     names that the block uses and a reader has: test/docs/fixtures.ts
 *     <!-- model: small -->         the stand-in that it runs on; default tiny. `real`: all-MiniLM-L6-v2, trained
 *     <!-- in: repository -->       it runs in the repository's root, not in a folder of its own
 *     <!-- exits: 1 -->             the command's exit code, where that is not 0
 *     <!-- output -->               a `text` block: what the block before it prints
 *     <!-- shape of: Name -->       a `ts` block: members that the named type of the package has
 *     <!-- checked only: why -->    types, or syntax and flags, are checked, but it is not run
 */
import fs from 'node:fs'
import path from 'node:path'
import { root } from '../helpers/child.js'

export interface Block {
  page: string
  /** Of the fence, from 1. */
  line: number
  language: string
  code: string
  with: string[]
  model: 'tiny' | 'small' | 'real'
  inRepository: boolean
  exits: number
  /** What it prints, where the page says so. */
  output?: string
  shapeOf?: string
  checkedOnly?: string
}

const FENCE = /((?:^<!--[^\n]*-->\n+)*)^```([^\n]*)\n(.*?)^```$/gms

/** Pages whose blocks and links are checked, relative to the root. */
export function pages(): string[] {
  const under = (folder: string) =>
    fs
      .readdirSync(path.join(root, folder), { recursive: true })
      .map((name) => `${folder}/${String(name).split(path.sep).join('/')}`)
      .filter((name) => name.endsWith('.md') && !name.includes('node_modules'))
      .sort()
  return ['README.md', ...under('docs'), ...under('examples')]
}

export const readPage = (page: string) => fs.readFileSync(path.join(root, page), 'utf8')

/** @throws Error for a comment that is not understood: a typing error must not switch a test off */
export function blocksOf(page: string, text = readPage(page)): Block[] {
  const blocks: Block[] = []
  for (const match of text.matchAll(FENCE)) {
    const [whole, comments = '', language = '', code = ''] = match
    const line = text.slice(0, match.index + whole.indexOf('```')).split('\n').length
    const block: Block = {
      page,
      line,
      language: language.trim(),
      code,
      with: [],
      model: 'tiny',
      inRepository: false,
      exits: 0,
    }
    let isOutput = false
    for (const [, said = ''] of comments.matchAll(/<!--\s*(.*?)\s*-->/g)) {
      if (said === 'output') isOutput = true
      else apply(block, said)
    }
    const before = blocks.at(-1)
    if (isOutput && before) before.output = code
    blocks.push(block)
  }
  return blocks
}

function apply(block: Block, said: string): void {
  const [, name, value = ''] = /^([a-z ]+):\s*(.+)$/.exec(said) ?? []
  switch (name) {
    case 'with':
      block.with = value.split(',').map((word) => word.trim())
      return
    case 'model':
      if (value !== 'tiny' && value !== 'small' && value !== 'real') break
      block.model = value
      return
    case 'in':
      if (value !== 'repository') break
      block.inRepository = true
      return
    case 'exits':
      block.exits = Number(value)
      return
    case 'shape of':
      block.shapeOf = value
      return
    case 'checked only':
      block.checkedOnly = value
      return
  }
  throw new Error(`${block.page}:${block.line}: the comment "${said}" is not understood`)
}

/** GitHub's anchors of a page's headings. */
export function anchorsOf(text: string): string[] {
  const seen = new Map<string, number>()
  return [...text.replace(FENCE, '').matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => {
    const slug = title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-')
    const count = seen.get(slug) ?? 0
    seen.set(slug, count + 1)
    return count === 0 ? slug : `${slug}-${count}`
  })
}

/** Links of a page, code left out. */
export function linksOf(text: string): string[] {
  const prose = text.replace(FENCE, '').replace(/`[^`\n]*`/g, '')
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target)
}
