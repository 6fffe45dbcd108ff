import { statfs } from 'node:fs/promises'

/** Left for the file system's own needs and for everybody else. */
const RESERVE_BYTES = 8 * 2 ** 20

/** How much is missing in `directory` for so many more bytes; `undefined` when they fit, or nobody knows. */
export async function lackOfSpace(
  directory: string,
  needed: number,
): Promise<{ needed: number; available: number } | undefined> {
  try {
    const { bavail, bsize, blocks } = await statfs(directory)
    const available = bavail * bsize
    // Some network file systems report no size at all.
    return blocks > 0 && available < needed + Math.min(RESERVE_BYTES, needed / 16)
      ? { needed, available }
      : undefined
  } catch {
    return undefined
  }
}
