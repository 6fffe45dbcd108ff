import { dirname, join } from 'node:path'
import type { Command } from 'commander'
import { EmbedderError } from '../../../common/errors.js'
import { formatSize } from '../../../common/units.js'
import type { VerifyReport } from '../../../model/integrity.js'
import { type Cli, examples } from '../shared/cli.js'
import { describeError, EXIT, exitCodeOf } from '../shared/errors.js'
import type { CliIo } from '../shared/io.js'
import { addTableOptions, type Flags, optionValues } from '../shared/options.js'

export function verifyCommand(parent: Command, cli: Cli): void {
  const command = parent
    .command('verify')
    .summary("Check a model's checksum and header.")
    .description(
      'Hash model files, compare with what is known of them (recorded beside them, or pinned), and check their headers. Without a FILE: the model that would be loaded, and the heads beside it.',
    )
    .argument('[file...]', 'GGUF or head files.')
    .option('--json', 'Print JSON.')
  addTableOptions(command, ['model', 'cacheDir'])
  examples(
    command,
    ['bge-m3 model verify', 'the model that would be loaded'],
    ['bge-m3 model verify bge-m3-q8_0.gguf', 'one file'],
  )
  cli.action(command, (files, flags) => verify(cli.io, files, flags))
}

type Outcome =
  | VerifyReport
  | { path: string; status: 'bad'; error: { code: string; message: string } }

async function verify(io: CliIo, files: readonly string[], flags: Flags): Promise<number> {
  const { verifyModel } = await import('../../../model/integrity.js')
  const { progressBar } = await import('../shared/progress-bar.js')
  const { model, cacheDir } = optionValues(flags, io.env)
  const paths = files.length > 0 ? files : await installed(io, model, cacheDir)
  const outcomes: Outcome[] = []
  let exitCode: number = EXIT.done
  for (const path of paths) {
    const bar = progressBar(io, { label: 'checking', total: await sizeOf(path) })
    try {
      const onProgress = (bytes: number) => bar.update(bytes)
      outcomes.push(await verifyModel(path, { cacheDir, signal: io.signal, onProgress }))
    } catch (error) {
      if (!(error instanceof EmbedderError)) throw error
      outcomes.push({ path, status: 'bad', error: describeError(error) })
      exitCode = exitCodeOf(error)
    } finally {
      bar.stop()
    }
  }
  io.stdout.write(
    flags.json ? `${JSON.stringify({ files: outcomes })}\n` : outcomes.map(line).join(''),
  )
  return exitCode
}

function line(outcome: Outcome): string {
  if (outcome.status === 'bad') return `bad      ${outcome.error.message}\n`
  const { path, size, sha256, header, source } = outcome
  const about = header ? `${header.architecture}, ${header.tensors} tensors` : ''
  const known =
    source === undefined
      ? 'nothing is known to compare the checksum with'
      : `as ${source === 'sidecar' ? 'recorded beside it' : 'pinned'}`
  const details = [formatSize(size), about, `sha256 ${sha256}`, known].filter(Boolean).join(', ')
  return `${outcome.status.padEnd(8)} ${path}: ${details}\n`
}

/** The model that would be loaded, and the heads beside it. */
async function installed(
  io: CliIo,
  model: string | undefined,
  cacheDir: string | undefined,
): Promise<string[]> {
  const { findModel } = await import('../../../model/locations.js')
  const { COLBERT_FILE, SPARSE_FILE } = await import('../../../model/heads.js')
  const path = await findModel(model, { cacheDir, env: io.env })
  const heads = [SPARSE_FILE, COLBERT_FILE].map((name) => join(dirname(path), name))
  const sizes = await Promise.all(heads.map(sizeOf))
  return [path, ...heads.filter((_, i) => sizes[i] !== undefined)]
}

async function sizeOf(path: string): Promise<number | undefined> {
  const { stat } = await import('node:fs/promises')
  return stat(path).then(
    (found) => found.size,
    () => undefined,
  )
}
