/** How much memory this process may still take. */

import { readFileSync } from 'node:fs'
import { freemem } from 'node:os'

/** The part of Node's `process` that knows of containers; Node 20.0 lacks the second. */
type Machine = { constrainedMemory?(): number | undefined; availableMemory?(): number }

/**
 * Bytes that the container (cgroup v1 or v2) has, and those that it leaves beside everything in it; undefined where
 * nothing limits it. Pages of files count as free, as in the machine's own `MemAvailable`: the kernel drops them first,
 * and a model that is mapped is such a file.
 */
function container(): { limit: number; left: number } | undefined {
  const { constrainedMemory, availableMemory } = process as Machine
  // what is larger than any machine stands for no limit
  const limit = constrainedMemory?.call(process) ?? 0
  if (limit <= 0 || limit > Number.MAX_SAFE_INTEGER || availableMemory === undefined)
    return undefined
  const pages = filePages()
  // where the container's books cannot be read, nothing is known of it
  if (pages === undefined) return undefined
  return { limit, left: Math.min(limit, availableMemory.call(process) + pages) }
}

/**
 * Bytes that this process may have in its container: what is left, and what it holds already, such as weights that a
 * second embedder shares. Undefined where nothing limits it.
 */
export function containerRoom(): number | undefined {
  const found = container()
  return found && Math.min(found.limit, found.left + process.memoryUsage.rss())
}

/** Bytes that can be had now without anything being swapped out or killed. */
export function freeMemory(): number {
  return Math.min(freemem(), container()?.left ?? Number.POSITIVE_INFINITY)
}

let books: string | undefined

/** Bytes of the container's page cache. */
function filePages(): number | undefined {
  for (const file of books === undefined ? candidates() : [books]) {
    try {
      const text = readFileSync(file, 'latin1')
      books = file
      // v1 has totals of the groups below, v2's numbers are totals
      const of = (name: string) =>
        Number(
          new RegExp(`^total_${name} (\\d+)$`, 'm').exec(text)?.[1] ??
            new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ??
            0,
        )
      return of('active_file') + of('inactive_file')
    } catch {
      // another layout
    }
  }
  return undefined
}

/** Where a group's statistics may be: under its name, or, inside its own namespace, at the top. */
function candidates(): string[] {
  let groups: string
  try {
    groups = readFileSync('/proc/self/cgroup', 'latin1')
  } catch {
    return []
  }
  const v1 = /^\d+:(?:[^:\n]*,)?memory(?:,[^:\n]*)?:(.*)$/m.exec(groups)?.[1]
  const v2 = /^0::(.*)$/m.exec(groups)?.[1]
  const under = (base: string, group: string | undefined) =>
    group === undefined
      ? []
      : [`${base}${group === '/' ? '' : group}/memory.stat`, `${base}/memory.stat`]
  return [...under('/sys/fs/cgroup/memory', v1), ...under('/sys/fs/cgroup', v2)]
}
