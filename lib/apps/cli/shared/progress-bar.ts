/**
 * A progress bar on stderr, where that is a terminal; nothing elsewhere. Imported only by what has
 * long work to do, so that `--help` need not load it.
 */

import cliProgress from 'cli-progress'
import { performance } from '../../../common/timers.js'
import { formatDuration, formatSize } from '../../../common/units.js'
import type { CliIo } from './io.js'

export interface ProgressBar {
  /**
   * @param note is shown behind the bar
   * @param left milliseconds to go, where the caller knows better than the mean rate so far
   */
  update(value: number, note?: string, left?: number): void
  /** Ends the line. Idempotent. */
  stop(): void
}

export const NO_BAR: ProgressBar = { update() {}, stop() {} }

export interface BarOptions {
  /** What is being done, in front of the bar. */
  label: string
  /** The value at the end; `undefined` if nobody knows, and then there is no bar but the note. */
  total: number | undefined
}

export function progressBar(io: CliIo, { label, total }: BarOptions): ProgressBar {
  if (!io.stderr.isTTY) return NO_BAR
  const bar = new cliProgress.SingleBar({
    stream: io.stderr,
    format: total === undefined ? '{label} {note}' : '{label} [{bar}] {percentage}% | {note}',
    barsize: 24,
    barCompleteChar: '=',
    barIncompleteChar: ' ',
    // a run that is killed must not leave the terminal without its cursor
    hideCursor: null,
    emptyOnZero: true,
  })
  const started = performance.now()
  bar.start(total ?? 0, 0, { label, note: '' })
  let isStopped = false
  return {
    update(value, note, left) {
      if (isStopped) return
      const estimate = left ?? timeLeft({ elapsed: performance.now() - started, value, total })
      const parts = [note, estimate && `${formatDuration(estimate)} left`]
      bar.update(Math.min(value, total ?? value), { note: parts.filter(Boolean).join(', ') })
    },
    stop() {
      if (isStopped) return
      isStopped = true
      bar.stop()
    },
  }
}

interface At {
  elapsed: number
  value: number
  total: number | undefined
}

function timeLeft({ elapsed, value, total = 0 }: At): number | undefined {
  if (value <= 0 || value >= total || elapsed < 1000) return undefined
  return (elapsed / value) * (total - value)
}

export interface FileProgress {
  onProgress(progress: { doneBytes: number; totalBytes: number }): void
  stop(): void
}

/** For the making of one file, whose size is known with the first report. */
export function fileProgress(io: CliIo, label: string): FileProgress {
  let bar: ProgressBar | undefined
  return {
    onProgress({ doneBytes, totalBytes }) {
      bar ??= progressBar(io, { label, total: totalBytes })
      bar.update(doneBytes, formatSize(totalBytes))
    },
    stop: () => bar?.stop(),
  }
}
