/** Writes safetensors files. */

import { open } from 'node:fs/promises'
import { bytes, elements, WIDTHS, type WritableTensor } from './tensors.js'

export async function writeSafetensors(
  path: string,
  tensors: readonly WritableTensor[],
): Promise<void> {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } }
  let at = 0
  for (const { name, dtype, shape } of tensors) {
    const end = at + elements(shape) * WIDTHS[dtype]
    header[name] = { dtype, shape, data_offsets: [at, end] }
    at = end
  }
  const json = JSON.stringify(header)
  const padded = json.padEnd(Math.ceil(json.length / 8) * 8)
  const handle = await open(path, 'w')
  try {
    await handle.write(bytes([8, padded.length], padded))
    for (const tensor of tensors) {
      for await (const chunk of tensor.chunks()) await handle.write(chunk)
    }
  } finally {
    await handle.close()
  }
}
