/** Who owns a lock or a half-downloaded file, and whether that process is certainly gone. */

import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

export interface Owner {
  readonly pid: number
  readonly host: string
}

export function thisProcess(): Owner {
  return { pid: process.pid, host: hostIdentity() }
}

/**
 * True only if no such process can exist any more. "False" means not known: the owner may be on
 * another machine or in another container, or its process id may belong to another program by now.
 */
export function isGone(owner: Owner | undefined): boolean {
  if (owner === undefined || owner.host !== hostIdentity()) return false
  try {
    process.kill(owner.pid, 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}

export function parseOwner(value: unknown): Owner | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { pid, host } = value as Record<string, unknown>
  if (!Number.isSafeInteger(pid) || (pid as number) <= 0 || typeof host !== 'string')
    return undefined
  return { pid: pid as number, host }
}

let identity: string | undefined

/**
 * Process ids mean the same to two processes only on one machine, since one boot, in one pid
 * namespace (containers). Where the kernel tells less, the host name has to do.
 */
function hostIdentity(): string {
  identity ??= [
    hostname(),
    attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    attempt(() => readlinkSync('/proc/self/ns/pid')),
  ].join(' ')
  return identity
}

function attempt(read: () => string): string {
  try {
    return read()
  } catch {
    return '-'
  }
}
