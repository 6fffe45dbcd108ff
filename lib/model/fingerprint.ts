/**
 * What tells two models apart wherever embeddings are kept: weights, heads, tokenizer and kernels.
 * Embeddings with the same fingerprint may be compared and cached together.
 */
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import type { Prompts } from './prompts.js'

/** Bump when our tokenizer or our kernels change a bit of any output. */
const TOKENIZER_VERSION = 1
const KERNEL_VERSION = 3

const HEADER_BYTES = 1 << 20
const SAMPLES = 64
const SAMPLE_BYTES = 4096

export interface FingerprintParts {
  path: string
  /** The file's SHA-256 where it is known; otherwise a sample of the file stands for it. */
  sha256?: string | undefined
  /** SHA-256 over the heads' values. */
  heads?: string | undefined
  /** How activations are quantized: part of what the numbers are. */
  quantization: string
  /** What goes in front of texts when nothing else is said: other prompts, other vectors. */
  prompts?: Prompts | undefined
  /** SHA-256 over what follows the encoder, if anything does: a sample of the file may miss it. */
  modules?: string | undefined
}

/** The model with what a call adds: another prompt in front of its documents, or a calibration. */
export function fingerprintWith(fingerprint: string, addition: string): string {
  const tag = createHash('sha256').update(addition).digest('hex').slice(0, 8)
  return `${fingerprint}+${tag}`
}

/** 32 hex digits. Reads at most 1.3 MB of the file, so it costs about a millisecond. */
export async function fingerprintModel(parts: FingerprintParts): Promise<string> {
  const weights = parts.sha256 ?? (await sampleFile(parts.path))
  return createHash('sha256')
    .update(
      JSON.stringify([
        weights,
        parts.heads ?? '',
        parts.quantization,
        TOKENIZER_VERSION,
        KERNEL_VERSION,
        ...(Object.keys(parts.prompts?.texts ?? {}).length > 0 ? [parts.prompts] : []),
        ...(parts.modules === undefined ? [] : [{ modules: parts.modules }]),
      ]),
    )
    .digest('hex')
    .slice(0, 32)
}

/** The size, the beginning, and evenly spread blocks: other weights differ in every block. */
async function sampleFile(path: string): Promise<string> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const hash = createHash('sha256').update(String(size))
    const header = Buffer.alloc(Math.min(size, HEADER_BYTES))
    await file.read(header, 0, header.length, 0)
    hash.update(header)
    const block = Buffer.alloc(SAMPLE_BYTES)
    for (let i = 0; i < SAMPLES; i++) {
      const at = Math.floor(((size - SAMPLE_BYTES) * i) / (SAMPLES - 1))
      const { bytesRead } = await file.read(block, 0, SAMPLE_BYTES, Math.max(0, at))
      hash.update(block.subarray(0, bytesRead))
    }
    return `sample:${hash.digest('hex')}`
  } finally {
    await file.close()
  }
}
