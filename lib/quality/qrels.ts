/** Relevance judgements, in BEIR's or TREC's form. */

import { InvalidInputError } from '../common/errors.js'
import { checkNumeric, checkText } from '../common/given.js'

/** Relevance judgements, as `QrelsReader` gives them. */
export interface Judgements {
  /** Grades by query, then by document. */
  byQuery: Map<string, Map<string, number>>
  /** The line of each query's first judgement, and of each document's, to name in an error. */
  queryLines: Map<string, number>
  documentLines: Map<string, number>
  count: number
  /** Judgements below zero: not relevant, as trec_eval takes them. */
  negative: number
}

/** How the first column of a header is called. */
const HEADER = /^(query|topic|qid|q_id)/i
const NUMBER = /^[+-]?\d+(\.\d*)?([eE][+-]?\d+)?$/

/**
 * Reads `query-id <tab> corpus-id <tab> score` (BEIR, with or without its header) or
 * `query-id 0 corpus-id score` (TREC). Columns are separated by tabs, or where a line has none by
 * blanks. Blank lines are skipped.
 *
 * @throws InvalidInputError that names the line: a wrong number of columns, a score that is no number,
 *   a pair judged twice and differently; or when nothing is relevant
 */
export class QrelsReader {
  readonly #judgements: Judgements = {
    byQuery: new Map(),
    queryLines: new Map(),
    documentLines: new Map(),
    count: 0,
    negative: 0,
  }
  #isFirst = true

  /**
   * Takes one line.
   *
   * @param number of the line, from 1
   * @throws InvalidInputError that names it
   */
  line(text: string, number: number): void {
    checkText(text, 'A line')
    checkNumeric({ number })
    if (text.trim() === '') return
    const fields = (text.includes('\t') ? text.split('\t') : text.trim().split(/\s+/)).map(
      (field) => field.trim(),
    )
    const isFirst = this.#isFirst
    this.#isFirst = false
    if (fields.length !== 3 && fields.length !== 4) {
      throw broken(number, `has ${fields.length} columns, not 3 (query, document, score) or 4`)
    }
    const query = fields[0] as string
    const document = fields.at(-2) as string
    const score = fields.at(-1) as string
    if (!NUMBER.test(score)) {
      if (isFirst && HEADER.test(query)) return
      throw broken(number, 'has a score that is not a number')
    }
    if (query === '' || document === '') throw broken(number, 'has an empty id')
    this.#add(query, document, Number(score), number)
  }

  /** What was read. @throws InvalidInputError when nothing in it is relevant */
  finish(): Judgements {
    const all = [...this.#judgements.byQuery.values()]
    if (all.length === 0) throw new InvalidInputError('The relevance judgements are empty.')
    if (!all.some((grades) => [...grades.values()].some((grade) => grade > 0))) {
      throw new InvalidInputError(
        'No relevance judgement is above zero: there is nothing to be found.',
      )
    }
    return this.#judgements
  }

  #add(query: string, document: string, grade: number, number: number): void {
    const { byQuery, queryLines, documentLines } = this.#judgements
    let grades = byQuery.get(query)
    if (grades === undefined) {
      grades = new Map()
      byQuery.set(query, grades)
      queryLines.set(query, number)
    }
    const before = grades.get(document)
    if (before !== undefined && before !== grade) {
      throw broken(number, 'judges a pair again, and differently')
    }
    if (before !== undefined) return
    if (!documentLines.has(document)) documentLines.set(document, number)
    grades.set(document, grade)
    this.#judgements.count++
    if (grade < 0) this.#judgements.negative++
  }
}

function broken(number: number, what: string): InvalidInputError {
  return new InvalidInputError(`Line ${number} of the relevance judgements ${what}.`)
}
