/** Node, platform, processor, threads and memory. */

import { readFileSync } from 'node:fs'
import os from 'node:os'
import { formatSize } from '../../../common/units.js'
import type { NativeMachine } from '../../../native/addon.js'
import { libc } from '../../../native/load.js'
import type { Finding } from './finding.js'

const MIN_NODE = 20
/** x86-64-v3, as far as the kernels use it. */
const FLOOR = ['avx2', 'fma', 'f16c', 'bmi2']
/** What a run needs beside the weights: context, buffers, Node itself. */
const OVERHEAD_BYTES = 300e6

/** What is asked of the outside, so that tests can be other machines. */
export interface Host {
  nodeVersion: string
  platform: NodeJS.Platform
  arch: string
  libc: string | null
  cpu: string
  logicalCpus: number
  totalMemory: number
  freeMemory: number
  /** Features that the operating system tells, for when the native part cannot say. */
  cpuFlags: string[] | undefined
}

export function thisHost(): Host {
  return {
    nodeVersion: process.versions.node,
    platform: process.platform,
    arch: process.arch,
    libc: libc(),
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown processor',
    logicalCpus: os.availableParallelism(),
    totalMemory: os.totalmem(),
    freeMemory: os.freemem(),
    cpuFlags: flagsOfLinux(),
  }
}

export function systemFindings(
  host: Host,
  machine: NativeMachine | undefined,
  modelBytes: number | undefined,
): Finding[] {
  return [
    node(host),
    platform(host),
    processor(host, machine),
    threads(host, machine),
    memory(host, machine, modelBytes),
  ]
}

function node({ nodeVersion }: Host): Finding {
  const about = { area: 'system', name: 'Node', detail: nodeVersion } as const
  if (Number.parseInt(nodeVersion, 10) >= MIN_NODE) return { ...about, status: 'ok' }
  return { ...about, status: 'problem', advice: `Install Node ${MIN_NODE} or newer.` }
}

function platform({ platform, arch, libc }: Host): Finding {
  const detail = [platform, arch, libc].filter(Boolean).join(' ')
  return { area: 'system', name: 'Platform', status: 'ok', detail }
}

function processor(host: Host, machine: NativeMachine | undefined): Finding {
  const about = { area: 'system', name: 'Processor' } as const
  const features = machine?.cpuFeatures ?? host.cpuFlags
  if (features === undefined) {
    return { ...about, status: 'info', detail: `${host.cpu}; its features are not known` }
  }
  const kernels = machine ? `; kernels: ${machine.isa}` : ''
  const detail = `${host.cpu}; ${features.join(' ')}${kernels}`
  const missing = host.arch === 'x64' ? FLOOR.filter((name) => !features.includes(name)) : []
  if (missing.length === 0) return { ...about, status: 'ok', detail }
  return {
    ...about,
    status: 'problem',
    detail: `${detail}; it lacks ${missing.join(', ')}`,
    advice:
      'The package needs x86-64-v3 (Intel since Haswell 2013, AMD since Excavator 2015). In a virtual machine, choose a CPU type that passes these features on.',
  }
}

function threads({ logicalCpus }: Host, machine: NativeMachine | undefined): Finding {
  const about = { area: 'system', name: 'Threads' } as const
  const cpus = `${logicalCpus} logical ${logicalCpus === 1 ? 'processor' : 'processors'}`
  if (!machine) return { ...about, status: 'info', detail: cpus }
  const detail = `${machine.defaultThreads} by default (the real cores this process may use; ${cpus})`
  return { ...about, status: 'ok', detail }
}

function memory(
  host: Host,
  machine: NativeMachine | undefined,
  modelBytes: number | undefined,
): Finding {
  const about = { area: 'system', name: 'Memory' } as const
  const available = machine?.availableMemory ?? host.freeMemory
  const detail = `${formatSize(available)} may be allocated, of ${formatSize(host.totalMemory)}`
  if (modelBytes === undefined) return { ...about, status: 'ok', detail }
  const needed = modelBytes + OVERHEAD_BYTES
  const full = `${detail}; the model needs about ${formatSize(needed)}`
  if (needed <= available) return { ...about, status: 'ok', detail: full }
  return {
    ...about,
    status: 'problem',
    detail: full,
    advice: "Close other programs, or raise the container's or the shell's memory limit.",
  }
}

/** `flags` of /proc/cpuinfo, in the names that the native part uses. */
function flagsOfLinux(): string[] | undefined {
  try {
    const line = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]
    const shown = [...FLOOR, 'avx_vnni', 'avx512f', 'avx512bw', 'avx512vl', 'avx512_vnni']
    const flags = new Set(line?.split(/\s+/))
    return line === undefined ? undefined : shown.filter((flag) => flags.has(flag))
  } catch {
    return undefined
  }
}
