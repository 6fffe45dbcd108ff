/** What was learnt of a machine's speed, kept for the next process in a small file. */
import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../../common/atomic-file.js'
import type { CostModel } from './cost-model.js'

/** What the speed depends on. */
export interface CostKey {
  /** Of the model. */
  fingerprint: string
  threads: number
  isa: string
}

const MAX_BYTES = 1 << 20

/** `<cacheDir>/estimates/<hash of the key>.json` */
export function costFile(cacheDir: string, { fingerprint, threads, isa }: CostKey): string {
  const key = JSON.stringify([fingerprint, threads, isa])
  const hash = createHash('sha256').update(key).digest('hex').slice(0, 24)
  return join(cacheDir, 'estimates', `${hash}.json`)
}

/** Teaches `model` what an earlier process learnt. A file that is not there or no good is ignored. */
export async function loadCosts(model: CostModel, file: string): Promise<boolean> {
  try {
    const { size } = await stat(file)
    if (size > MAX_BYTES) return false
    return model.restore(JSON.parse(await readFile(file, 'utf8')))
  } catch {
    return false
  }
}

/** Readers see the old content or the new. False where the file cannot be written: nothing is lost. */
export async function saveCosts(model: CostModel, file: string): Promise<boolean> {
  if (!model.isReady) return false
  try {
    await writeFileAtomic(file, `${JSON.stringify(model)}\n`)
    return true
  } catch {
    return false
  }
}
