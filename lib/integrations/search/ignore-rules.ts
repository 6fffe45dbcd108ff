/** What a walk leaves out: the patterns of options and of `.gitignore` files. */

import { readFile } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import ignore, { type Ignore } from 'ignore'

const FILES = ['.gitignore', '.ignore']

/** Patterns, and the folder that they are about. */
interface Level {
  base: string
  rules: Ignore
}

export function rulesOf(patterns: readonly string[]): Ignore {
  return ignore().add([...patterns])
}

/** Path as patterns see it: relative, with slashes, a folder with one at its end. */
export function patternPath(base: string, path: string, isFolder: boolean): string {
  const inside = relative(base, path)
  return (sep === '/' ? inside : inside.replaceAll(sep, '/')) + (isFolder ? '/' : '')
}

/** The rules that hold in a folder: its own and those of the folders around it, which weigh less. */
export class IgnoreRules {
  static readonly none = new IgnoreRules([])

  private constructor(private readonly levels: readonly Level[]) {}

  /** With the rules that the folder itself brings, if it has any. */
  async enter(folder: string): Promise<IgnoreRules> {
    const rules = ignore()
    let found = false
    for (const name of FILES) {
      const text = await readFile(join(folder, name), 'utf8').catch(() => undefined)
      if (text === undefined) continue
      rules.add(text)
      found = true
    }
    return found ? new IgnoreRules([...this.levels, { base: folder, rules }]) : this
  }

  ignores(path: string, isFolder: boolean): boolean {
    for (let i = this.levels.length - 1; i >= 0; i--) {
      const { base, rules } = this.levels[i] as Level
      const { ignored, unignored } = rules.test(patternPath(base, path, isFolder))
      if (ignored || unignored) return ignored
    }
    return false
  }
}
