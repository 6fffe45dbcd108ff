/** `bge-m3 index`: a folder's files into an index. */

import { stat } from 'node:fs/promises'
import { relative, resolve, sep } from 'node:path'
import { formatDuration, formatSize, parseSize } from '../../../common/units.js'
import { openIndex, type SearchIndex } from '../../../integrations/search/search-index.js'
import type {
  SkipReason,
  UpdateOptions,
  UpdateProgress,
  UpdateResult,
} from '../../../integrations/search/types.js'
import { EXIT, UsageError } from '../shared/errors.js'
import { type CliIo, say } from '../shared/io.js'
import { type Flags, optionValues } from '../shared/options.js'
import { printable } from '../shared/printable.js'
import { NO_BAR, progressBar } from '../shared/progress-bar.js'
import { Sink } from '../shared/sink.js'
import { withEmbedder } from '../shared/watch.js'

interface IndexFlags {
  store: string
  include?: string[]
  exclude?: string[]
  hidden?: boolean
  /** False for --no-gitignore. */
  gitignore: boolean
  follow?: boolean
  maxFileSize?: string
  chunkTokens?: string
  overlap?: string
  rebuild?: boolean
  forget?: boolean
  json?: boolean
}

/** @param args the folder */
export async function runIndex(io: CliIo, args: readonly string[], flags: Flags): Promise<number> {
  const values = optionValues(flags, io.env)
  const own = flags as unknown as IndexFlags
  const folder = args[0] as string
  if (own.forget) return forget(io, folder, own)
  const options = updateOptions(io, own)
  const chunking = {
    ...(own.chunkTokens !== undefined && { maxTokens: whole('--chunk-tokens', own.chunkTokens) }),
    ...(own.overlap !== undefined && { overlap: whole('--overlap', own.overlap) }),
  }
  await stat(folder).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`${printable(resolve(folder))} cannot be read (${error.code}).`)
  })
  return withEmbedder(io, { command: 'index', flags, values }, async (embedder, watch) => {
    const { rebuild = false } = own
    const index = await openIndex(own.store, { embedder, chunking, rebuild })
    try {
      const result = await update(io, index, folder, options)
      watch.skipped = result.chunks.reused
      await print(io, index, result, own.json ?? false)
      return result.files.failed > 0 ? EXIT.failed : EXIT.done
    } finally {
      await index.close()
    }
  })
}

async function forget(io: CliIo, folder: string, { store, json }: IndexFlags): Promise<number> {
  const index = await openIndex(store, { create: false })
  try {
    const removed = await index.forget(folder)
    await Sink.stdout(io).write(
      json ? `${JSON.stringify({ removed })}\n` : `${removed} files removed\n`,
    )
    return EXIT.done
  } finally {
    await index.close()
  }
}

function updateOptions(io: CliIo, flags: IndexFlags): UpdateOptions {
  const { include = [], exclude = [], hidden = false, gitignore, follow = false } = flags
  const maxFileSize = flags.maxFileSize === undefined ? undefined : parseSize(flags.maxFileSize)
  if (flags.maxFileSize !== undefined && maxFileSize === undefined) {
    throw new UsageError(`--max-file-size takes a size such as 20MB, not ${flags.maxFileSize}.`)
  }
  return {
    include,
    exclude,
    hidden,
    gitignore,
    followSymlinks: follow,
    ...(maxFileSize !== undefined && { maxFileSize }),
    signal: io.signal,
  }
}

function whole(flag: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`${flag} takes a whole number, not ${text}.`)
  return Number(text)
}

async function update(
  io: CliIo,
  index: SearchIndex,
  folder: string,
  options: UpdateOptions,
): Promise<UpdateResult> {
  let bar = NO_BAR
  try {
    return await index.update(folder, {
      ...options,
      onProgress(progress) {
        if (progress.phase === 'scan' || progress.files.todo === 0) return
        if (bar === NO_BAR) bar = progressBar(io, { label: 'Indexing', total: progress.bytes.todo })
        bar.update(progress.bytes.done, noteOf(progress), (progress.eta ?? 0) * 1000 || undefined)
      },
    })
  } catch (error) {
    if (io.signal.aborted) say(io, 'what is done is kept: run it again to go on.')
    throw error
  } finally {
    bar.stop()
  }
}

function noteOf({ files, rate }: UpdateProgress): string {
  return `${files.done}/${files.todo} files, ${rate.toFixed(0)} tokens/s`
}

async function print(
  io: CliIo,
  index: SearchIndex,
  result: UpdateResult,
  json: boolean,
): Promise<void> {
  const stats = await index.stats()
  const sink = Sink.stdout(io)
  if (json) {
    const failures = result.failures.map(({ path, error: { code, message } }) => ({
      path,
      error: { code, message },
    }))
    await sink.write(`${JSON.stringify({ ...result, failures, index: stats })}\n`)
    return
  }
  const { files, chunks, tokens, seconds } = result
  const counts = (
    ['new', 'changed', 'renamed', 'unchanged', 'removed', 'skipped', 'failed'] as const
  )
    .filter((name) => files[name] > 0)
    .map((name) => `${files[name]} ${name}`)
  await sink.write(
    `files: ${counts.join(', ') || 'none'}\n` +
      `chunks: ${chunks.embedded} embedded (${tokens} tokens), ${chunks.reused} known, in ${formatDuration(seconds * 1000)}\n` +
      `index: ${stats.files} files, ${stats.chunks} chunks, ${formatSize(stats.bytes)}\n`,
  )
  for (const line of skippedLines(result)) say(io, line)
  for (const { path, error } of result.failures.slice(0, LISTED)) {
    say(io, `${printable(fromHere(path))}: ${error.message}`)
  }
  if (files.failed > LISTED) say(io, `and ${files.failed - LISTED} more that failed`)
}

const LISTED = 20
const NAMED = 5
const REASONS: Record<SkipReason, string> = {
  hidden: 'hidden',
  ignored: 'named by a .gitignore',
  excluded: 'excluded',
  type: 'no text, Markdown or HTML by their names',
  binary: 'binary',
  'too-large': 'too large',
  empty: 'empty',
  symlink: 'symbolic links',
  special: 'no regular files',
  name: 'names that are no UTF-8',
  'no-html-parser': 'HTML, which needs the package htmlparser2 (npm install htmlparser2)',
}
/** Whoever asks why something is not found will want to know which. */
const SURPRISING = new Set<SkipReason>(['binary', 'too-large', 'name', 'special', 'no-html-parser'])

function skippedLines({ skippedBy, skipped }: UpdateResult): string[] {
  return Object.entries(skippedBy).map(([reason, count]) => {
    const what = `skipped ${count}: ${REASONS[reason as SkipReason]}`
    if (!SURPRISING.has(reason as SkipReason)) return what
    const names = skipped
      .filter((entry) => entry.reason === reason)
      .slice(0, NAMED)
      .map(({ path }) => printable(fromHere(path)))
    return `${what} (${names.join(', ')}${count > names.length ? ', ...' : ''})`
  })
}

/** As short as it is clear: relative to the working directory for what lies in it. */
export function fromHere(path: string): string {
  const short = relative(process.cwd(), path)
  return short === '' || short === '..' || short.startsWith(`..${sep}`) ? path : short
}
