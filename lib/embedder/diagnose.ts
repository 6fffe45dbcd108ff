/** A check of a loaded embedder: what is in use, and whether it computes what it should. */

import { EmbedderError } from '../common/errors.js'
import { performance } from '../common/timers.js'
import type { EmbedderInfo, EmbedderStats } from '../common/types.js'
import { formatSize } from '../common/units.js'
import { loadAddon } from '../native/load.js'
import { unheardVariables } from '../options/table.js'

/** What is looked at. */
export interface Diagnosable {
  /** Computes, past the cache. */
  compute(texts: readonly string[]): Promise<readonly { dense: Float32Array }[]>
  readonly info: EmbedderInfo
  stats(): EmbedderStats
}

/** One thing that was looked at. */
export interface DiagnosticFinding {
  /** What was looked at. */
  check: 'model' | 'kernels' | 'threads' | 'memory' | 'cache' | 'environment' | 'self-test'
  /** `warn`: it works, but not as well as it could. */
  status: 'ok' | 'warn' | 'fail'
  /** For people. */
  detail: string
}

/** What `Embedder.diagnose` found. */
export interface Diagnosis {
  /** Whether nothing failed. */
  ok: boolean
  /** In the order in which things were looked at. */
  findings: DiagnosticFinding[]
}

export async function diagnose(embedder: Diagnosable): Promise<Diagnosis> {
  const findings: DiagnosticFinding[] = []
  const add = (
    check: DiagnosticFinding['check'],
    status: DiagnosticFinding['status'],
    detail: string,
  ) => findings.push({ check, status, detail })
  // first: it loads the weights where that was put off
  await selfTest(embedder, add)
  if (findings[0]?.status !== 'fail') {
    const { info } = embedder
    const machine = loadAddon().machine()
    if (info.standin) {
      add(
        'model',
        'warn',
        `${info.name} is a stand-in with random weights: its embeddings mean nothing.`,
      )
    } else {
      add(
        'model',
        info.warnings.length > 0 ? 'warn' : 'ok',
        [info.name, ...info.warnings].join('; '),
      )
    }
    if (info.isa === 'ggml') {
      add('kernels', 'warn', 'Our kernels are off (BGE_M3_KERNELS): this is several times slower.')
    } else add('kernels', 'ok', `${info.isa}, ${info.quantization} quantization`)
    const many = info.threads > machine.defaultThreads
    add(
      'threads',
      many ? 'warn' : 'ok',
      many
        ? `${info.threads} threads on ${machine.defaultThreads} real cores are slower than as many threads as cores.`
        : `${info.threads} of ${machine.defaultThreads} real cores`,
    )
  }
  memory(embedder, add)
  const { cache } = embedder.stats()
  if (cache?.disk.state === 'failed' || cache?.disk.state === 'read-only') {
    add(
      'cache',
      'warn',
      `The disk cache is ${cache.disk.state}: ${cache.disk.reason ?? 'no reason known'}.`,
    )
  } else {
    add('cache', 'ok', cache ? `on, hit rate ${(cache.hitRate * 100).toFixed(0)} %` : 'off')
  }
  const unheard = unheardVariables()
  if (unheard.length > 0) {
    add(
      'environment',
      'warn',
      `${unheard.join(', ')}: heard by commands and the server only. In a program calls say what they want.`,
    )
  } else add('environment', 'ok', 'no variable is set that a program does not hear')
  return { ok: findings.every(({ status }) => status !== 'fail'), findings }
}

type Add = (
  check: DiagnosticFinding['check'],
  status: DiagnosticFinding['status'],
  detail: string,
) => void

function memory(embedder: Diagnosable, add: Add): void {
  const { limit } = embedder.stats().memory
  const { availableMemory } = loadAddon().machine()
  const short = availableMemory !== null && availableMemory < limit / 4
  const free = availableMemory === null ? '' : `, ${formatSize(availableMemory)} available`
  add('memory', short ? 'warn' : 'ok', `limit ${formatSize(limit)}${free}`)
}

/** The same text twice, and beside another: the same bits, finite, of the right length. */
async function selfTest(embedder: Diagnosable, add: Add): Promise<void> {
  const started = performance.now()
  try {
    const [alone] = await embedder.compute(['self-test'])
    const [beside] = await embedder.compute(['self-test', 'another text beside it'])
    const [a, b] = [alone?.dense as Float32Array, beside?.dense as Float32Array]
    const same = a.length === b.length && a.every((value, i) => Object.is(value, b[i]))
    const norm = Math.hypot(...a)
    if (!same) add('self-test', 'fail', 'A text has other bits beside another text than alone.')
    else if (Math.abs(norm - 1) > 1e-3) {
      add('self-test', 'fail', `A normalised vector has length ${norm}.`)
    } else add('self-test', 'ok', `${(performance.now() - started).toFixed(0)} ms for two batches`)
  } catch (error) {
    const code = error instanceof EmbedderError ? error.code : 'UNKNOWN'
    add('self-test', 'fail', `${code}: ${(error as Error).message}`)
  }
}
