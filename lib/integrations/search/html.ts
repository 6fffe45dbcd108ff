/** HTML to the text that a reader sees, and where in the source it stands. */

import { InvalidInputError } from '../../common/errors.js'
import { optional } from '../../common/optional.js'
import { turn } from '../../common/timers.js'
import { lineAt, lineStarts } from './lines.js'

/** What is never read: code, drawings, and what browsers show only in place of something. */
const DROPPED = new Set([
  ...['script', 'style', 'template', 'noscript', 'svg', 'math', 'iframe', 'object', 'canvas'],
  ...['audio', 'video', 'select', 'datalist'],
])
/** A paragraph of its own. */
const PARAGRAPHS = new Set([
  ...['p', 'div', 'section', 'article', 'main', 'header', 'footer', 'nav', 'aside', 'address'],
  ...['blockquote', 'pre', 'ul', 'ol', 'dl', 'table', 'figure', 'figcaption', 'form', 'fieldset'],
  ...['details', 'summary', 'hr', 'body', 'title', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'caption'],
])
/** A line of its own. */
const LINES = new Set(['br', 'li', 'dt', 'dd', 'tr', 'option', 'thead', 'tbody', 'legend'])
const HEADING = /^h([1-6])$/

export interface HtmlText {
  text: string
  /** The line of the source, from 1, for an offset of the text. */
  lineOf(offset: number): number
}

/** UTF-16 units that are read before others get their turn. */
const SLICE = 1 << 16
/** What the parser does for a tag takes as long as its nesting is deep; browsers stop at 512. */
const MOST_NESTED = 1000

/** @throws InvalidInputError when htmlparser2 is not installed */
export async function loadHtml(): Promise<(source: string) => Promise<HtmlText>> {
  const { Parser } = await optional(
    'htmlparser2',
    'HTML in bge-m3-node/search',
    () => import('htmlparser2'),
  )
  return async (source) => {
    const reader = new Reader()
    let depth = 0
    const parser = new Parser({
      onopentag: (name, { alt }) => {
        if (++depth > MOST_NESTED) {
          throw new InvalidInputError(`The HTML is nested more than ${MOST_NESTED} elements deep.`)
        }
        reader.open(name, alt, parser.startIndex)
      },
      onclosetag: (name) => {
        depth--
        reader.close(name)
      },
      ontext: (data) => reader.text(data, parser.startIndex),
    })
    for (let from = 0; from < source.length; from += SLICE) {
      parser.write(source.slice(from, from + SLICE))
      await turn()
    }
    parser.end()
    return reader.result(source)
  }
}

/** Puts the text together: runs of white space become one blank, elements become lines and paragraphs. */
class Reader {
  readonly #parts: string[] = []
  #length = 0
  /** Ascending in the text: from this offset on, the text stands from there on in the source. */
  readonly #texts: number[] = []
  readonly #sources: number[] = []
  /** Line breaks, or a blank, due before the next word. */
  #breaks = 0
  #blank = false
  #prefix = ''
  #dropped = 0
  #preformatted = 0

  open(name: string, alt: string | undefined, at: number): void {
    if (DROPPED.has(name)) this.#dropped++
    if (this.#dropped > 0) return
    this.#border(name)
    const level = HEADING.exec(name)?.[1]
    if (level) this.#prefix = `${'#'.repeat(Number(level))} `
    else if (name === 'li') this.#prefix = '- '
    else if (name === 'pre') this.#preformatted++
    else if (name === 'td' || name === 'th') this.#blank = true
    else if (name === 'img' && alt) this.text(alt, at)
  }

  close(name: string): void {
    if (DROPPED.has(name)) this.#dropped = Math.max(0, this.#dropped - 1)
    if (this.#dropped > 0) return
    if (name === 'pre') this.#preformatted = Math.max(0, this.#preformatted - 1)
    if (name === 'li' || HEADING.test(name)) this.#prefix = ''
    this.#border(name)
  }

  text(data: string, at: number): void {
    if (this.#dropped > 0) return
    // by lines, so that a chunk that begins within a long text finds its line
    for (const { 0: line, index } of data.matchAll(/[^\n]*\n|[^\n]+$/g)) {
      if (this.#preformatted > 0) this.#verbatim(line, at + index)
      else this.#collapsed(line, at + index)
    }
  }

  #collapsed(line: string, at: number): void {
    const words = line.replace(/[\t\n\f\r ]+/g, ' ')
    // not trim(): a blank that does not break is one to be kept
    const trimmed = words.replace(/^ | $/g, '')
    if (words.startsWith(' ')) this.#blank = true
    if (trimmed === '') return
    this.#put(trimmed, at)
    this.#blank = words.endsWith(' ')
  }

  #verbatim(line: string, at: number): void {
    const content = line.replace(/\r?\n$/, '')
    if (content !== '') this.#put(content, at)
    if (content !== line) this.#breaks = Math.max(this.#breaks, content === '' ? 2 : 1)
  }

  #put(text: string, at: number): void {
    let gap = ''
    if (this.#length > 0) {
      if (this.#breaks > 0) gap = '\n'.repeat(this.#breaks)
      else if (this.#blank) gap = ' '
    }
    this.#append(gap + this.#prefix)
    this.#texts.push(this.#length)
    this.#sources.push(at)
    this.#append(text)
    this.#breaks = 0
    this.#blank = false
    this.#prefix = ''
  }

  #append(text: string): void {
    this.#parts.push(text)
    this.#length += text.length
  }

  #border(name: string): void {
    if (PARAGRAPHS.has(name)) this.#breaks = 2
    else if (LINES.has(name)) this.#breaks = Math.max(this.#breaks, 1)
  }

  result(source: string): HtmlText {
    const starts = lineStarts(source)
    const text = this.#parts.join('')
    return {
      text,
      lineOf: (offset) => {
        // a chunk may begin with what stands in front of its first word, and in no line of the source
        const gap = /^[\s#-]*/.exec(text.slice(offset, offset + 16))?.[0].length ?? 0
        const piece = lineAt(this.#texts, offset + gap) - 1
        return lineAt(starts, this.#sources[Math.max(0, piece)] ?? 0)
      },
    }
  }
}
