/** What a walk leaves out: the patterns of options and of ignore files. */

import { readFile, stat } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import { type IgnorePattern, matches, parsePattern } from './ignore-pattern.js'

/** In one folder the later file weighs more. */
const FILES = ['.gitignore', '.ignore']
/** Rules of a whole repository, in its top folder; any other weighs more. */
const REPOSITORY_FILE = join('.git', 'info', 'exclude')

/** Patterns, and the folder that they are about. */
export class PatternList {
  constructor(
    private readonly base: string,
    private readonly patterns: readonly IgnorePattern[],
  ) {}

  static of(base: string, lines: readonly string[]): PatternList {
    return new PatternList(
      base,
      lines.map(parsePattern).filter((pattern) => pattern !== undefined),
    )
  }

  /** What the last pattern says that matches the path itself: `undefined` if none does. */
  decide(path: string, isFolder: boolean): boolean | undefined {
    const inside = relative(this.base, path)
    const name = sep === '/' ? inside : inside.replaceAll(sep, '/')
    const last = this.patterns.findLast((pattern) => matches(pattern, name, isFolder))
    return last && !last.negated
  }

  /** Whether the path, or a folder that it is in, is meant. */
  covers(path: string): boolean {
    for (let at = path, isFolder = false; at !== this.base; at = dirname(at), isFolder = true) {
      if (this.decide(at, isFolder)) return true
      if (at === dirname(at)) return false
    }
    return false
  }
}

/** The rules that hold in a folder: its own and those of the folders around it, which weigh less. */
export class IgnoreRules {
  static readonly none = new IgnoreRules([])

  private constructor(private readonly lists: readonly PatternList[]) {}

  /** The rules from above the folder: those of the repository that it is in, if it is in one. */
  static async above(folder: string): Promise<IgnoreRules> {
    const folders: string[] = []
    for (let at = folder; at !== dirname(at); at = dirname(at)) {
      if (at !== folder) folders.unshift(at)
      if (!(await isRepository(at))) continue
      let rules = IgnoreRules.none
      for (const each of folders) rules = await rules.enter(each)
      return rules
    }
    return IgnoreRules.none
  }

  /** With the rules that the folder itself brings. A repository in another one has its own alone. */
  async enter(folder: string): Promise<IgnoreRules> {
    const isTop = await isRepository(folder)
    const names = isTop ? [REPOSITORY_FILE, ...FILES] : FILES
    const found = await Promise.all(names.map((name) => linesOf(join(folder, name))))
    const own = found.filter((lines) => lines.length > 0)
    if (!isTop && own.length === 0) return this
    return new IgnoreRules([
      ...(isTop ? [] : this.lists),
      ...own.map((lines) => PatternList.of(folder, lines)),
    ])
  }

  /** Of a path whose folder is not ignored. */
  ignores(path: string, isFolder: boolean): boolean {
    for (const list of this.lists.toReversed()) {
      const decided = list.decide(path, isFolder)
      if (decided !== undefined) return decided
    }
    return false
  }
}

function isRepository(folder: string): Promise<boolean> {
  return stat(join(folder, '.git')).then(
    () => true,
    () => false,
  )
}

/** Of a file that is not there, none. */
async function linesOf(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return text === '' ? [] : text.replace(/^\ufeff/, '').split(/\r?\n/)
}
