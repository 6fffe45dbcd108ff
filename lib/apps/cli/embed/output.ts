/** Where `embed` puts what it made. */

import { EmbedderError } from '../../../common/errors.js'
import type { Embedding, Outputs, Precision } from '../../../common/types.js'
import { type InputItem, isText } from '../../../integrations/files/items.js'
import { embeddingLine, errorLine } from '../../../integrations/files/jsonl-output.js'
import { missingRow, type NpyType, NpyWriter } from '../../../integrations/files/npy-output.js'
import { UsageError } from '../shared/errors.js'
import type { CliIo } from '../shared/io.js'
import { checkTarget, openOutputSink, refuseSameFile, Sink } from '../shared/sink.js'

export type Result = Embedding<Precision> | EmbedderError

export interface EmbeddingOutput {
  write(item: InputItem, result: Result): Promise<void>
  /** Whatever was written is complete afterwards. */
  close(): Promise<void>
}

export interface OutputOptions {
  format: 'jsonl' | 'npy'
  file: string | undefined
  /** The input's file, which must not be the output's. */
  input: string | undefined
  outputs: Outputs
  precision: Precision
  /** Components of a dense vector. */
  width: number
  /** Goes on with what is there, see `embed-resume.ts`. */
  resume: boolean
  /** Whether lines have more than an id and embeddings. */
  hasFields: boolean
}

/** Says what cannot be, before a model is loaded. @throws UsageError */
export async function checkOutput(options: Omit<OutputOptions, 'width'>): Promise<void> {
  const { format, file, input, outputs, precision, resume, hasFields } = options
  if (resume && (file === undefined || file === '-')) {
    throw new UsageError('--resume needs --output FILE: that is what it goes on with.')
  }
  if (format === 'npy') {
    if (file === undefined || file === '-') {
      throw new UsageError('--format npy needs --output FILE: its header is written at the end.')
    }
    if (!outputs.dense || outputs.sparse || outputs.colbert) {
      throw new UsageError('--format npy holds dense vectors only.')
    }
    if (hasFields) {
      throw new UsageError('--format npy has no place for --fields and the places of --chunk.')
    }
    if (precision !== 'float32' && precision !== 'float16') {
      throw new UsageError(
        `--format npy takes the precisions float32 and float16, not ${precision}.`,
      )
    }
  }
  await refuseSameFile(file, input)
  await checkTarget(file)
}

/** @param done what the file holds already and is kept; without it, the file is created or emptied */
export async function openOutput(
  io: CliIo,
  options: OutputOptions,
  done?: { texts: number; end: number },
): Promise<EmbeddingOutput> {
  const { format, file, width } = options
  const keeps = done !== undefined && done.texts > 0
  if (format === 'npy' && file !== undefined) {
    const type = npyTypeOf(options)
    return npyOutput(
      keeps
        ? await NpyWriter.resume(file, { cols: width, type, rows: done.texts })
        : await NpyWriter.create(file, width, type),
    )
  }
  if (keeps) return jsonlOutput(await Sink.append(file as string, done.end, io))
  return jsonlOutput(await openOutputSink(io, file, options.input))
}

export function npyTypeOf({ precision }: Pick<OutputOptions, 'precision'>): NpyType {
  return precision === 'float16' ? '<f2' : '<f4'
}

/** What a result is in the file, as the writers below put it there. */
export function outputBytes(options: OutputOptions, item: InputItem, result: Result): Buffer {
  if (options.format === 'jsonl') return Buffer.from(lineOf(item, result))
  const row = rowOf(result) ?? missingRow(options.width, npyTypeOf(options))
  return Buffer.from(row.buffer, row.byteOffset, row.byteLength)
}

function lineOf(item: InputItem, result: Result): string {
  if (result instanceof EmbedderError) return errorLine(item.id, result)
  return embeddingLine(item.id, result, isText(item) ? item.fields : undefined)
}

/** Undefined for a text that failed. */
function rowOf(result: Result): Float32Array | Uint16Array | undefined {
  // checkOutput let float32 and float16 pass
  return result instanceof EmbedderError ? undefined : (result.dense as Float32Array | Uint16Array)
}

function jsonlOutput(sink: Sink): EmbeddingOutput {
  return {
    write: (item, result) => sink.write(lineOf(item, result)),
    close: () => sink.close(),
  }
}

function npyOutput(writer: NpyWriter): EmbeddingOutput {
  return {
    write: (_item, result) => writer.append(rowOf(result)),
    close: () => writer.close(),
  }
}
