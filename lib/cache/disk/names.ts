/** Which fingerprints the tags in the store stand for, so that people can be told: a tiny file each. */
import fs from 'node:fs'
import path from 'node:path'
import { type ModelKey, modelTag } from '../entry/key.js'

const MAX_NAME_BYTES = 4096

const fileOf = (dir: string, tag: string): string => path.join(dir, `${tag}.model`)

export function writeName(dir: string, { fingerprint }: ModelKey): void {
  if (fingerprint === undefined) return
  const file = fileOf(dir, modelTag(fingerprint))
  if (fs.existsSync(file)) return
  try {
    fs.writeFileSync(file, fingerprint, { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/** The fingerprint behind a tag, when its file is there and fits. */
export function readName(dir: string, tag: string): string | undefined {
  try {
    const file = fileOf(dir, tag)
    if (fs.statSync(file).size > MAX_NAME_BYTES) return undefined
    const name = fs.readFileSync(file, 'utf8')
    return modelTag(name) === tag ? name : undefined
  } catch {
    return undefined
  }
}
