/** Shows the progress of fetching a model: a bar per file and phase on a terminal, a line elsewhere. */

import type { DownloadProgress } from '../../../common/types.js'
import { formatSize } from '../../../common/units.js'
import { type CliIo, say } from './io.js'
import { type ProgressBar, progressBar } from './progress-bar.js'

const LABELS: Record<DownloadProgress['phase'], string> = {
  check: 'checking',
  wait: 'waiting for another pull of',
  download: 'downloading',
  convert: 'converting to',
  done: '',
}

export class PullProgress {
  #shown = ''
  #bar: ProgressBar | undefined

  constructor(private readonly io: CliIo) {}

  update({ file, phase, received, total, rate, eta }: DownloadProgress): void {
    const label = `${LABELS[phase]} ${file}`
    if (label !== this.#shown) {
      this.stop()
      this.#shown = label
      if (phase === 'done') return
      if (this.io.stderr.isTTY) this.#bar = progressBar(this.io, { label, total })
      else if (phase !== 'check') say(this.io, `${label} (${formatSize(total)})`)
    }
    const speed = rate > 0 ? `, ${formatSize(rate)}/s` : ''
    this.#bar?.update(received, `${formatSize(received)} of ${formatSize(total)}${speed}`, eta)
  }

  stop(): void {
    this.#bar?.stop()
    this.#bar = undefined
  }
}
