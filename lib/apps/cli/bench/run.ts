/** `bge-m3 bench`: the speed of this model on this machine. */

import os from 'node:os'
import { performance } from '../../../common/timers.js'
import { formatDuration, formatSize } from '../../../common/units.js'
import type { Embedder } from '../../../embedder/embedder.js'
import { someTokens } from '../../../embedder/some-tokens.js'
import { EXIT } from '../shared/errors.js'
import type { CliIo } from '../shared/io.js'
import { openEmbedder } from '../shared/load.js'
import { type Flags, optionValues } from '../shared/options.js'
import { progressBar } from '../shared/progress-bar.js'
import { Sink } from '../shared/sink.js'
import { table } from '../shared/table.js'
import { packageVersion } from '../shared/version.js'

/** Texts and tokens of each. */
const SHAPES = [
  [1, 16],
  [32, 16],
  [8, 128],
  [1, 512],
] as const
const ROUNDS = 7

interface Measured {
  texts: number
  tokens: number
  medianMs: number
  bestMs: number
  textsPerSecond: number
  tokensPerSecond: number
}

export async function runBench(io: CliIo, flags: Flags): Promise<number> {
  const { rounds = ROUNDS, json = false } = flags as { rounds?: number; json?: boolean }
  const values = { ...optionValues(flags, io.env), cache: 0 }
  const from = performance.now()
  const embedder = await openEmbedder(io, values)
  try {
    const loadMs = performance.now() - from
    const shapes = await measure(io, embedder, rounds)
    const { name, fingerprint, standin, isa, quantization, threads } = embedder.info
    const { rss: rssBytes } = embedder.stats().memory
    const machine = { cpu: os.cpus()[0]?.model.trim() ?? 'unknown processor', isa, threads }
    const model = { name, fingerprint, standin }
    const about = {
      version: packageVersion(),
      machine,
      model,
      quantization,
      loadMs,
      rssBytes,
      rounds,
    }
    const text = json
      ? `${JSON.stringify({ ...about, shapes })}\n`
      : `${name}\n${machine.cpu}, ${isa}, ${threads === 1 ? '1 thread' : `${threads} threads`}\n` +
        `loaded in ${formatDuration(loadMs)}; ${formatSize(rssBytes)} of memory\n\n${tableOf(shapes)}`
    await Sink.stdout(io).write(text)
    return EXIT.done
  } finally {
    await embedder.dispose()
  }
}

/** The shapes take turns, so that a machine that slows down does so for all. */
async function measure(io: CliIo, embedder: Embedder, rounds: number): Promise<Measured[]> {
  const { maxTokens } = embedder.info
  const runs = SHAPES.filter(([, tokens]) => tokens <= maxTokens).map(([texts, tokens]) => ({
    texts,
    tokens,
    input: Array.from({ length: texts }, (_, text) =>
      someTokens(tokens, text, embedder.info.vocabSize),
    ),
    times: [] as number[],
  }))
  const bar = progressBar(io, { label: 'bench', total: (rounds + 1) * runs.length })
  try {
    let done = 0
    // the first round warms up
    for (let round = 0; round <= rounds; round++) {
      for (const { input, times } of runs) {
        const start = performance.now()
        await embedder.embedTokens(input, { signal: io.signal })
        if (round > 0) times.push(performance.now() - start)
        bar.update(++done)
      }
    }
  } finally {
    bar.stop()
  }
  return runs.map(({ texts, tokens, times }) => {
    const sorted = times.sort((a, b) => a - b)
    const medianMs = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
    return {
      texts,
      tokens,
      medianMs,
      bestMs: sorted[0] ?? Number.NaN,
      textsPerSecond: (texts / medianMs) * 1000,
      tokensPerSecond: ((texts * tokens) / medianMs) * 1000,
    }
  })
}

function tableOf(shapes: readonly Measured[]): string {
  const count = (value: number) => Math.round(value).toLocaleString('en')
  const time = (value: number) => `${value < 100 ? value.toFixed(1) : count(value)} ms`
  const rows = shapes.map(
    ({ texts, tokens, medianMs, bestMs, textsPerSecond, tokensPerSecond }) => [
      `${texts} x ${tokens}`,
      textsPerSecond < 10 ? textsPerSecond.toFixed(1) : count(textsPerSecond),
      count(tokensPerSecond),
      time(medianMs),
      time(bestMs),
    ],
  )
  return table([['texts x tokens', 'texts/s', 'tokens/s', 'median', 'best'], ...rows], [1, 2, 3, 4])
}
