/** Which prebuilt file suits this process: its platform, processor family and C library. */
import fs from 'node:fs'

/** What the choice of an addon depends on; a parameter so that every platform can be tested. */
export interface NativeHost {
  platform: NodeJS.Platform | string
  arch: string
  /** The C library; null off Linux. */
  libc: 'glibc' | 'musl' | null
}

let known: NativeHost['libc'] | undefined

/** The C library of this process; null off Linux. */
export function libc(): NativeHost['libc'] {
  known ??=
    process.platform === 'linux' ? (fromInterpreter(process.execPath) ?? fromReport()) : null
  return known
}

/** This process. */
export function thisHost(): NativeHost {
  return { platform: process.platform, arch: process.arch, libc: libc() }
}

/** `linux-x64`, with `-musl` where the C library is musl. */
export function platformName(host = thisHost()): string {
  return `${host.platform}-${host.arch}${host.libc === 'musl' ? '-musl' : ''}`
}

/**
 * The C library that a program asks for by the name of its ELF interpreter (PT_INTERP of an ELF64 file).
 * A tenth of a millisecond where a process report takes tens, for that looks up host names.
 *
 * @returns undefined for what is no such file, or names neither
 */
export function fromInterpreter(file: string): 'glibc' | 'musl' | undefined {
  const PT_INTERP = 3
  let descriptor: number | undefined
  try {
    descriptor = fs.openSync(file, 'r')
    const head = Buffer.alloc(4096)
    const length = fs.readSync(descriptor, head, 0, head.length, 0)
    if (length < 64 || head.readUInt32BE(0) !== 0x7f454c46 || head[4] !== 2) return undefined
    const table = Number(head.readBigUInt64LE(32))
    const size = head.readUInt16LE(54)
    for (let i = 0; i < head.readUInt16LE(56); i++) {
      const at = table + i * size
      if (head.readUInt32LE(at) !== PT_INTERP) continue
      const name = Buffer.alloc(Math.min(Number(head.readBigUInt64LE(at + 32)), 256))
      fs.readSync(descriptor, name, 0, name.length, Number(head.readBigUInt64LE(at + 8)))
      const text = name.toString('latin1')
      return /ld-musl/.test(text) ? 'musl' : /ld-linux|ld64/.test(text) ? 'glibc' : undefined
    }
  } catch {
    // unreadable, or cut short: the report knows
  } finally {
    if (descriptor !== undefined) fs.closeSync(descriptor)
  }
  return undefined
}

/** As Node itself says it, for a program that is linked statically or started in an unusual way. */
export function fromReport(): 'glibc' | 'musl' {
  return glibcVersion() ? 'glibc' : 'musl'
}

/** The version of the glibc that runs, such as `2.36`; undefined on anything else. */
export function glibcVersion(): string | undefined {
  const report = process.report as { excludeNetwork?: boolean } & NodeJS.ProcessReport
  const before = report.excludeNetwork
  report.excludeNetwork = true // network interfaces are looked up by name, which takes its time
  try {
    const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } }
    return header?.glibcVersionRuntime
  } finally {
    if (before !== undefined) report.excludeNetwork = before
  }
}
