/** Opens the files of a store, or says why that cannot be done. */
import fs from 'node:fs'
import path from 'node:path'
import { bucketsFor, isBucketCount, SlotTable } from './slots.js'

/** The layout's version is the folder's name: another version leaves this one alone. */
const VERSION = 'v1'
const INDEX_NAME = /^index-(\d{1,8})$/

export function storeDir(dir: string): string {
  return path.join(path.resolve(dir), VERSION)
}

/** Makes the directory if it is not there, for its owner alone. */
export function makeStoreDir(dir: string): void {
  fs.mkdirSync(dir, { recursive: true, mode: 0o700 })
  const { uid, mode } = fs.statSync(dir)
  const me = process.getuid?.()
  if (me === undefined) return
  if (uid !== me) throw new Error('the directory belongs to another user')
  if ((mode & 0o077) !== 0) fs.chmodSync(dir, 0o700)
}

/** Bucket counts of the index files in a store, the largest first. */
function indexSizes(dir: string): number[] {
  return fs
    .readdirSync(dir)
    .map((name) => Number(INDEX_NAME.exec(name)?.[1] ?? 0))
    .filter(isBucketCount)
    .sort((a, b) => b - a)
}

const indexPath = (dir: string, buckets: number): string => path.join(dir, `index-${buckets}`)

export interface OpenedIndex {
  table: SlotTable
  /** It is new, or another was too small: it has to be filled from the segments. */
  rebuild: boolean
  /** Removes indexes that this one replaces; to be called when it is filled. */
  removeOthers(): void
}

/** The index to use for a store of this size. */
export function openIndex(dir: string, maxBytes: number): OpenedIndex {
  const found = indexSizes(dir)
  const wanted = bucketsFor(maxBytes)
  const largest = found[0] ?? 0
  // half the slots will do
  const buckets = largest * 2 >= wanted ? largest : wanted
  const fd = fs.openSync(indexPath(dir, buckets), fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600)
  const others = found.filter((size) => size !== buckets)
  return {
    table: new SlotTable(fd, buckets, true),
    rebuild: buckets !== largest || others.length > 0,
    removeOthers() {
      for (const size of others) {
        const file = indexPath(dir, size)
        fs.rmSync(file, { force: true })
      }
    },
  }
}

/** The index of a store that cannot be, or is not to be, written to; `undefined` when there is none. */
export function openIndexToRead(dir: string): SlotTable | undefined {
  if (!fs.existsSync(dir)) return undefined
  const largest = indexSizes(dir)[0]
  if (largest === undefined) return undefined
  return new SlotTable(fs.openSync(indexPath(dir, largest), 'r'), largest, false)
}
