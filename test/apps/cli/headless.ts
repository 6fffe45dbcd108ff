/** A model without heads, as every encoder but bge-m3 is. */

import { HEAD_KEYS } from '../../../lib/model/formats/gguf/own-keys.js'
import { GgufFile } from '../../../lib/model/formats/gguf/reader.js'
import type { GgufEntry } from '../../../lib/model/formats/gguf/values.js'
import { writeGguf } from '../../../lib/model/formats/gguf/writer.js'

/** Copies a GGUF without its heads. */
export async function writeHeadless(from: string, to: string): Promise<void> {
  const file = await GgufFile.open(from)
  const heads: readonly string[] = Object.values(HEAD_KEYS)
  try {
    const entries: GgufEntry[] = []
    for (const key of file.keys.keys()) {
      if (!heads.includes(key)) entries.push((await file.entry(key)) as GgufEntry)
    }
    const tensors = [...file.tensors.values()].map(({ name, type, dims }) => ({
      name,
      type,
      dims,
      data: () => file.tensorChunks(name),
    }))
    await writeGguf(to, entries, tensors)
  } finally {
    await file.close()
  }
}
