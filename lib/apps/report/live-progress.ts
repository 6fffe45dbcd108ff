/** A progress display that a notebook's cell keeps up to date while it runs. */

import { randomUUID } from 'node:crypto'
import { refuseUnknown } from '../../common/given.js'
import { performance } from '../../common/timers.js'
import type { Progress } from '../../common/types.js'
import { html } from './html/markup.js'
import { JUPYTER_DISPLAY, type MimeBundle } from './notebook.js'
import { framed } from './notebook-html.js'
import { formatted, number } from './shared/format.js'

/** Shows a bundle, or puts it in the place of what was shown before with the same id. */
export type ShowBundle = (
  bundle: MimeBundle,
  options: { displayId: string; update: boolean },
) => void | Promise<void>

export interface LiveProgressOptions {
  /** In front of the figures. Default `Embedding`. */
  label?: string
  /** How this kernel shows things. Default: Deno's way where there is one, else lines of text. */
  show?: ShowBundle
  /** Milliseconds between two updates. Default 200. */
  interval?: number
}

export interface LiveProgress {
  /** To be handed to `embed` and its like. */
  onProgress: (progress: Progress) => void
  /** The last state, once everything that was sent has been shown. */
  finish(): Promise<void>
}

/**
 *     const live = liveProgress()
 *     const result = await m3.embedChunks(chunks, { onProgress: live.onProgress })
 *     await live.finish()
 */
export function liveProgress(options: LiveProgressOptions = {}): LiveProgress {
  refuseUnknown(options, ['label', 'show', 'interval'], 'liveProgress')
  const { label = 'Embedding', interval = 200, show = kernelShow() } = options
  const displayId = `bge-m3-${randomUUID()}`
  let latest: Progress | undefined
  let shownAt = Number.NEGATIVE_INFINITY
  let isFirst = true
  let sending = Promise.resolve()
  const send = () => {
    const bundle = progressBundle(label, latest)
    const update = !isFirst
    isFirst = false
    shownAt = performance.now()
    // in order, and a display that fails must not cost the work
    sending = sending.then(() => show(bundle, { displayId, update })).catch(() => {})
  }
  return {
    onProgress(progress) {
      latest = progress
      if (isFirst || performance.now() - shownAt >= interval) send()
    },
    async finish() {
      send()
      await sending
    },
  }
}

function progressBundle(label: string, progress: Progress | undefined): MimeBundle {
  const { done, total, tokens, rate, eta } = progress ?? {
    done: 0,
    total: 0,
    tokens: 0,
    rate: 0,
    eta: null,
  }
  // of a stream nobody knows how long it is
  const share = total ? done / total : 0
  const left =
    total !== null && done < total && eta !== null ? `, ${formatted(eta, 'seconds')} left` : ''
  const of = total === null ? '' : ` of ${number(total)}`
  const line = `${label}: ${number(done)}${of} texts, ${number(tokens)} tokens, ${number(rate)} texts/s${left}`
  const width = `width: ${(share * 100).toFixed(1)}%`
  const content = html`<div class="track" role="progressbar" aria-label="${label}" aria-valuemin="0"${total !== null && html` aria-valuemax="${total}" aria-valuenow="${done}"`}><div class="bar" style="${width}"></div></div><div>${line}</div>`
  return { 'text/html': framed(content), 'text/plain': line }
}

interface DenoJupyter {
  display(value: unknown, options: { display_id: string; update: boolean }): Promise<void>
}

function kernelShow(): ShowBundle {
  const { Deno } = globalThis as { Deno?: { jupyter?: DenoJupyter } }
  const jupyter = Deno && 'jupyter' in Deno ? Deno.jupyter : undefined
  if (!jupyter) return (bundle) => console.log(bundle['text/plain'])
  return (bundle, { displayId, update }) =>
    jupyter.display({ [JUPYTER_DISPLAY]: () => bundle }, { display_id: displayId, update })
}
