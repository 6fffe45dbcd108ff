/**
 * A lock file, so that processes that pull the same file take turns and the second finds the work
 * done. It only saves work: that nothing breaks when two owners work at once is seen to by parts
 * (see part.ts), each of which has one writer. So a lock may be broken on suspicion: at once when its owner's
 * process is gone, and when its heartbeat has stopped. A killed owner leaves nothing permanent.
 */

import { randomBytes } from 'node:crypto'
import { link, open, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { type AbortSignalLike, throwIfAborted } from '../../common/abort.js'
import { clearInterval, performance, setInterval, sleep } from '../../common/timers.js'
import type { Patience } from './options.js'
import { isGone, parseOwner, thisProcess } from './owner.js'

export interface LockOptions {
  patience: Pick<Patience, 'heartbeat' | 'staleAfter'>
  signal?: AbortSignalLike | undefined
  /** Called again and again while another owner is waited for. */
  onWait?: (() => void) | undefined
}

const POLL_MS = 200

export class Lock {
  private readonly timer: NodeJS.Timeout

  private constructor(
    private readonly path: string,
    /** Unique to this owner. */
    readonly token: string,
    heartbeat: number,
  ) {
    this.timer = setInterval(() => void this.beat(), heartbeat)
    this.timer.unref()
  }

  /**
   * Waits until the lock is ours.
   *
   * @throws the signal's reason; the file system's error when no lock file can be made
   */
  static async acquire(path: string, options: LockOptions): Promise<Lock> {
    const { patience, signal, onWait } = options
    const token = randomBytes(8).toString('hex')
    let seen: { text: string; mtime: number; since: number } | undefined
    for (;;) {
      throwIfAborted(signal)
      if (await create(path, token)) return new Lock(path, token, patience.heartbeat)

      const found = await look(path)
      if (found === undefined) continue
      const now = performance.now()
      if (seen?.text !== found.text || seen.mtime !== found.mtime) seen = { ...found, since: now }
      if (isGone(ownerOf(found.text)) || now - seen.since > patience.staleAfter) {
        await breakLock(path, found.text, token)
        continue
      }
      onWait?.()
      await sleep(Math.min(POLL_MS, patience.staleAfter / 4), signal)
    }
  }

  async release(): Promise<void> {
    clearInterval(this.timer)
    if (await this.isOurs()) await rm(this.path, { force: true })
  }

  private async beat(): Promise<void> {
    if (!(await this.isOurs())) return clearInterval(this.timer)
    const now = new Date()
    await utimes(this.path, now, now).catch(() => {})
  }

  private async isOurs(): Promise<boolean> {
    return (await look(this.path))?.text.includes(this.token) ?? false
  }
}

async function create(path: string, token: string): Promise<boolean> {
  try {
    const handle = await open(path, 'wx')
    try {
      await handle.writeFile(JSON.stringify({ token, owner: thisProcess() }))
    } finally {
      await handle.close()
    }
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function look(path: string): Promise<{ text: string; mtime: number } | undefined> {
  try {
    return { text: await readFile(path, 'utf8'), mtime: (await stat(path)).mtimeMs }
  } catch {
    return undefined
  }
}

function ownerOf(text: string) {
  try {
    return parseOwner((JSON.parse(text) as { owner?: unknown } | null)?.owner)
  } catch {
    // Its owner is just writing it, or was killed while doing so: the heartbeat will tell.
    return undefined
  }
}

/** Removes the lock that held `text`. Should another have taken its place, that one is put back. */
async function breakLock(path: string, text: string, token: string): Promise<void> {
  const aside = `${path}.${token}`
  try {
    await rename(path, aside)
    if ((await readFile(aside, 'utf8')) !== text) await link(aside, path)
  } catch {
    // Another process was quicker, or links are unknown here; either way the loop looks again.
  }
  await rm(aside, { force: true })
}
