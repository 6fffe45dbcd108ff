/** Shows the progress of `model pull`: a bar per file and phase on a terminal, a line elsewhere. */

import { formatSize } from '../../../common/units.js'
import type { DownloadProgress } from '../../../model/hub/options.js'
import { type CliIo, say } from '../shared/io.js'
import { type ProgressBar, progressBar } from '../shared/progress-bar.js'

const LABELS: Record<DownloadProgress['phase'], string> = {
  check: 'checking',
  wait: 'waiting for another pull of',
  download: 'downloading',
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
