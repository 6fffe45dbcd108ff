/**
 * One line of an ignore file, as gitignore(5) has it and git's wildmatch.c decides. It is matched byte by byte,
 * as git does, and in a time of pattern times path: a file that somebody else wrote must not stop the walk.
 */

export interface IgnorePattern {
  /** `!`: what it matches is not ignored. */
  readonly negated: boolean
  readonly folderOnly: boolean
  /** Without a slash, a pattern is about names in every folder below. */
  readonly anywhere: boolean
  readonly tokens: readonly Token[]
}

/** A byte of a set; `*`; `**`; or a place from which `**` may be left out with its slash. */
type Token = ReadonlySet<number> | 'star' | 'deep' | 'maybe'

const SLASH = 0x2f
/** Tokens of `**` with its slash. */
const DEEP_FOLDER = 2
/** Git folds case where file systems do. */
const FOLDS_CASE = process.platform === 'win32' || process.platform === 'darwin'

/** @returns undefined for a line that says nothing: blank, a comment, or one that can match no path */
export function parsePattern(line: string): IgnorePattern | undefined {
  if (line.startsWith('#')) return undefined
  let glob = line.replace(/(?<!\\)((?:\\\\)*) +$/, '$1')
  const negated = glob.startsWith('!')
  if (negated) glob = glob.slice(1)
  const folderOnly = glob.endsWith('/')
  if (folderOnly) glob = glob.slice(0, -1)
  const anywhere = !glob.includes('/')
  if (glob.startsWith('/')) glob = glob.slice(1)
  const tokens = glob === '' ? undefined : tokensOf(bytesOf(glob))
  return tokens && { negated, folderOnly, anywhere, tokens }
}

/** @param path from the folder of the pattern's file, with slashes */
export function matches(pattern: IgnorePattern, path: string, isFolder: boolean): boolean {
  if (pattern.folderOnly && !isFolder) return false
  const text = pattern.anywhere ? path.slice(path.lastIndexOf('/') + 1) : path
  return accepts(pattern.tokens, bytesOf(text))
}

const bytesOf = (text: string): Buffer =>
  Buffer.from(FOLDS_CASE ? text.replace(/[A-Z]/g, (letter) => letter.toLowerCase()) : text)

/** Follows all ways through the tokens at once. */
function accepts(tokens: readonly Token[], text: Buffer): boolean {
  let here = new Set<number>()
  enter(here, tokens, 0)
  for (const byte of text) {
    const next = new Set<number>()
    for (const at of here) {
      const token = tokens[at]
      if (token === 'star' ? byte !== SLASH : token === 'deep') enter(next, tokens, at)
      else if (typeof token === 'object' && token.has(byte)) enter(next, tokens, at + 1)
    }
    if (next.size === 0) return false
    here = next
  }
  return here.has(tokens.length)
}

function enter(places: Set<number>, tokens: readonly Token[], at: number): void {
  if (places.has(at)) return
  places.add(at)
  const token = tokens[at]
  if (typeof token !== 'string') return
  enter(places, tokens, at + 1)
  if (token === 'maybe') enter(places, tokens, at + 1 + DEEP_FOLDER)
}

const ANY = setOf((byte) => byte !== SLASH)

function setOf(has: (byte: number) => boolean): ReadonlySet<number> {
  return new Set(Array.from({ length: 256 }, (_, byte) => byte).filter(has))
}

/** @returns undefined for a glob that matches nothing: a bracket or a backslash that is open */
function tokensOf(glob: Buffer): Token[] | undefined {
  const tokens: Token[] = []
  const text = glob.toString('latin1')
  // git compares what comes before the first special character by itself, and has the rest begin there
  const literal = text.search(/[*?[\\]/)
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string
    if (char === '*') {
      const stars = /^\*+/.exec(text.slice(at))?.[0].length ?? 1
      const isWhole =
        (at === literal || text[at - 1] === '/') && /^($|\\?\/)/.test(text.slice(at + stars))
      at += stars - 1
      if (stars === 1 || !isWhole) tokens.push('star')
      else if (text[at + 1] !== '/') tokens.push('deep')
      else {
        tokens.push('maybe', 'deep', new Set([SLASH]))
        at++
      }
    } else if (char === '[') {
      const bracket = bracketAt(text, at + 1)
      if (!bracket) return undefined
      tokens.push(bracket.bytes)
      at = bracket.end
    } else if (char === '?') tokens.push(ANY)
    else {
      if (char === '\\') at++
      if (at === text.length) return undefined
      tokens.push(new Set([text.charCodeAt(at)]))
    }
  }
  return tokens
}

const CLASSES: Readonly<Record<string, RegExp>> = {
  alnum: /[a-z0-9]/i,
  alpha: /[a-z]/i,
  blank: /[ \t]/,
  cntrl: /[^ -~\x80-\xff]/,
  digit: /[0-9]/,
  graph: /[!-~]/,
  lower: /[a-z]/,
  print: /[ -~]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /[ \t-\r]/,
  upper: FOLDS_CASE ? /[a-z]/i : /[A-Z]/,
  xdigit: /[0-9a-f]/i,
}

/** @param start behind the bracket. @returns the bytes, and where it closes */
function bracketAt(
  text: string,
  start: number,
): { bytes: ReadonlySet<number>; end: number } | undefined {
  const bytes = new Set<number>()
  const negated = text[start] === '!' || text[start] === '^'
  let at = negated ? start + 1 : start
  /** What a range may begin with. */
  let before: number | undefined
  do {
    if (at >= text.length) return undefined
    const name = /^\[:([^\]]*):\]/.exec(text.slice(at))?.[1]
    if (name !== undefined) {
      const members = Object.hasOwn(CLASSES, name) ? CLASSES[name] : undefined
      if (!members) return undefined
      for (let byte = 0; byte < 256; byte++) {
        if (members.test(String.fromCharCode(byte))) bytes.add(byte)
      }
      before = undefined
      at += name.length + 4
      continue
    }
    const isRange = text[at] === '-' && before !== undefined && /^[^\]]/.test(text.slice(at + 1))
    if (isRange) at++
    if (text[at] === '\\') at++
    if (at >= text.length) return undefined
    const byte = text.charCodeAt(at++)
    for (let member = isRange ? (before as number) : byte; member <= byte; member++)
      bytes.add(member)
    before = isRange ? undefined : byte
  } while (text[at] !== ']')
  return { bytes: setOf((byte) => byte !== SLASH && bytes.has(byte) !== negated), end: at }
}
