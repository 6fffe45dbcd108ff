/** Where `embed` puts what it made. */

import { EmbedderError } from '../errors.js'
import type { InputItem } from '../input/items.js'
import { embeddingLine, errorLine } from '../output/jsonl.js'
import { NpyWriter } from '../output/npy.js'
import type { Precision } from '../precision.js'
import type { Embedding, Outputs } from '../types.js'
import { UsageError } from './shared/errors.js'
import type { CliIo } from './shared/io.js'
import { openOutputSink, refuseSameFile, type Sink } from './shared/sink.js'

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
}

/** Says what cannot be, before a model is loaded. @throws UsageError */
export async function checkOutput(options: Omit<OutputOptions, 'width'>): Promise<void> {
  const { format, file, input, outputs, precision } = options
  if (format === 'npy') {
    if (file === undefined || file === '-') {
      throw new UsageError('--format npy needs --output FILE: its header is written at the end.')
    }
    if (!outputs.dense || outputs.sparse || outputs.colbert) {
      throw new UsageError('--format npy holds dense vectors only.')
    }
    if (precision !== 'float32' && precision !== 'float16') {
      throw new UsageError(
        `--format npy takes the precisions float32 and float16, not ${precision}.`,
      )
    }
  }
  await refuseSameFile(file, input)
}

export async function openOutput(io: CliIo, options: OutputOptions): Promise<EmbeddingOutput> {
  const { format, file, precision, width } = options
  if (format === 'npy' && file !== undefined) {
    const writer = await NpyWriter.create(file, width, precision === 'float16' ? '<f2' : '<f4')
    return npyOutput(writer)
  }
  return jsonlOutput(await openOutputSink(io, file, options.input))
}

function jsonlOutput(sink: Sink): EmbeddingOutput {
  return {
    write: ({ id }, result) =>
      sink.write(
        result instanceof EmbedderError ? errorLine(id, result) : embeddingLine(id, result),
      ),
    close: () => sink.close(),
  }
}

function npyOutput(writer: NpyWriter): EmbeddingOutput {
  return {
    write: (_item, result) =>
      // checkOutput let float32 and float16 pass
      writer.append(
        result instanceof EmbedderError ? undefined : (result.dense as Float32Array | Uint16Array),
      ),
    close: () => writer.close(),
  }
}
