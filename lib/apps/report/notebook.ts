/**
 * Results in JavaScript notebooks. A kernel that knows `Symbol.for('Jupyter.display')` (Deno's, and
 * those after its example) calls it on the last value of a cell and shows the MIME bundle it gets.
 *
 * The core knows nothing of this: `show` adds the method to an object that is there.
 */

import { EmbedderError, InvalidInputError } from '../../common/errors.js'
import { isMap } from '../../common/realms.js'
import type { EmbedderStats, Precision, RunStats } from '../../common/types.js'
import type { EmbeddingResult } from '../../embedder/documents/types.js'
import type { ComparisonReport, EvaluationReport, QualityReport } from '../../quality/types.js'
import type { Markup } from './html/markup.js'
import {
  comparisonHtml,
  documentsHtml,
  embedderStatsHtml,
  evaluationHtml,
  framed,
  qualityHtml,
  resultHtml,
} from './notebook-html.js'
import { runCards } from './sections/run.js'
import { number } from './shared/format.js'

/** What a kernel looks for. */
export const JUPYTER_DISPLAY: unique symbol = Symbol.for('Jupyter.display') as never

/** Content by MIME type. */
export interface MimeBundle {
  'text/html': string
  'text/plain': string
}

/** Something that a notebook's kernel can show. */
export interface Displayable {
  /** Called by the kernel. */
  [JUPYTER_DISPLAY](): MimeBundle
}

/** What shows itself. */
export type Shown =
  | EmbeddingResult<Precision>
  | ReadonlyMap<string, EmbeddingResult<Precision>>
  | RunStats
  | EmbedderStats
  | QualityReport
  | ComparisonReport
  | EvaluationReport

/**
 * Makes a result, statistics, a quality report, a comparison or an evaluation show itself in a
 * notebook, and returns it. The method is not enumerable: JSON and loops over members stay as they
 * were. Of an object that takes no members another comes back that inherits them and shows it.
 *
 * @throws InvalidInputError when it is nothing that can be shown
 */
export function show<T extends Shown>(value: T): T & Displayable {
  ours(() => viewOf(value))
  const method = {
    value: () => mimeBundle(value),
    enumerable: false,
    configurable: true,
    writable: true,
  }
  const target = Object.isExtensible(value) ? value : Object.create(value)
  return Object.defineProperty(target, JUPYTER_DISPLAY, method) as T & Displayable
}

/** The same, without touching the value: something to be the last line of a cell. */
export function display(value: Shown): Displayable {
  ours(() => viewOf(value))
  return { [JUPYTER_DISPLAY]: () => mimeBundle(value) }
}

/** HTML without scripts, and a line of text. @throws InvalidInputError */
export function mimeBundle(value: Shown): MimeBundle {
  return ours(() => {
    const { html, text } = viewOf(value)
    return { 'text/html': framed(html()), 'text/plain': text }
  })
}

/** What looks like one of ours may be another thing inside. */
function ours<T>(look: () => T): T {
  try {
    return look()
  } catch (error) {
    throw error instanceof EmbedderError ? error : nothing()
  }
}

interface View {
  html: () => Markup
  text: string
}

function viewOf(value: Shown): View {
  if (isMap(value)) {
    return { html: () => documentsHtml(value), text: `${number(value.size)} documents` }
  }
  if (typeof value !== 'object' || value === null) throw nothing()
  if ('kind' in value && value.kind === 'quality') {
    const text = `soundness ${value.score.toFixed(3)} of ${number(value.vectors)} vectors`
    return { html: () => qualityHtml(value), text }
  }
  if ('kind' in value && value.kind === 'comparison') {
    return { html: () => comparisonHtml(value), text: `comparison of ${number(value.items)} items` }
  }
  if ('items' in value && 'stats' in value) {
    const { items, failures, stats } = value
    const failed = failures.length > 0 ? `, ${number(failures.length)} failed` : ''
    const text = `${number(items.length)} chunks${failed}, ${number(stats.tokensPerSecond)} tokens/s`
    return { html: () => resultHtml(value), text }
  }
  if ('stages' in value) {
    const text = `${number(value.texts)} texts, ${number(value.tokensPerSecond)} tokens/s`
    return { html: () => runCards(value), text }
  }
  if ('memory' in value && 'batches' in value) {
    const text = `${number(value.texts)} texts, ${number(value.tokens)} tokens`
    return { html: () => embedderStatsHtml(value), text }
  }
  if ('ci' in value) return { html: () => evaluationHtml(value), text: 'evaluation' }
  throw nothing()
}

function nothing(): InvalidInputError {
  return new InvalidInputError(
    'Only results, statistics, quality reports, comparisons and evaluations can be shown.',
  )
}
