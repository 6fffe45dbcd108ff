import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TensorType } from '../../../../lib/model/formats/gguf/types.js'
import { entry, type GgufEntry } from '../../../../lib/model/formats/gguf/values.js'
import type { TensorSource } from '../../../../lib/model/formats/gguf/writer.js'

/** Runs `body` with a directory that is removed afterwards. */
export async function inTemporaryDirectory<T>(body: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'bge-m3-gguf-'))
  try {
    return await body(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** One key of every kind. */
export const SAMPLE_ENTRIES: readonly GgufEntry[] = [
  entry.string('general.architecture', 'bert'),
  entry.uint32('bert.block_count', 2),
  entry.float32('bert.attention.layer_norm_epsilon', 1e-5),
  entry.bool('bert.attention.causal', false),
  entry.scalar('a.uint8', 0, 200),
  entry.scalar('a.int8', 1, -3),
  entry.scalar('a.uint16', 2, 65_000),
  entry.scalar('a.int16', 3, -300),
  entry.scalar('a.int32', 5, -70_000),
  entry.scalar('a.uint64', 10, 2n ** 63n),
  entry.scalar('a.int64', 11, -(2n ** 40n)),
  entry.scalar('a.float64', 12, Math.PI),
  entry.strings('tokens', ['<s>', '', 'ü', '日本']),
  entry.numbers('scores', Float32Array.of(0, -1.5, 3)),
  entry.numbers('types', Int32Array.of(3, 1, -1)),
  entry.numbers('map', Uint8Array.of(0, 255, 7)),
]

interface SampleTensor extends TensorSource {
  data(): Uint8Array[]
}

export function sampleTensors(): [SampleTensor, SampleTensor, SampleTensor] {
  const bytes = (count: number, seed: number) =>
    Uint8Array.from({ length: count }, (_, i) => (i * 31 + seed) & 255)
  return [
    { name: 'a.weight', type: TensorType.F32, dims: [8, 3], data: () => [bytes(96, 1)] },
    {
      name: 'b.weight',
      type: TensorType.Q8_0,
      dims: [64, 2],
      data: () => [bytes(100, 2), bytes(36, 3)],
    },
    { name: 'c.bias', type: TensorType.F16, dims: [5], data: () => [bytes(10, 4)] },
  ]
}
