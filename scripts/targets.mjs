// What prebuilt files there are, and what builds each: this machine's own compiler, Debian's cross
// compilers, or zig from npm (which carries musl, libc++ and Windows' import libraries with it).
import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { root } from './paths.mjs'

const toolchain = (name) => path.join(root, 'scripts', 'toolchains', `${name}.cmake`)

/**
 * `tools`: programs that must be there; `zig`: zig's name of the target, built with zig.
 * `atHome`: built by a machine of that kind alone (zig 0.16 compiles it all for macOS, then its linker crashes
 * or leaves every library out).
 * `strip`: what strips it when it is cross-built; zig's linker strips by itself.
 *
 * @type {Record<string, { platform: string, arch: string, libc?: 'glibc' | 'musl', tools?: string[],
 *   strip?: string, zig?: string, atHome?: boolean }>}
 */
export const TARGETS = {
  'linux-x64': { platform: 'linux', arch: 'x64', libc: 'glibc' },
  'linux-x64-musl': { platform: 'linux', arch: 'x64', libc: 'musl', zig: 'x86_64-linux-musl' },
  'linux-arm64': {
    platform: 'linux',
    arch: 'arm64',
    libc: 'glibc',
    tools: ['aarch64-linux-gnu-gcc', 'aarch64-linux-gnu-g++'],
    strip: 'aarch64-linux-gnu-strip',
  },
  'linux-arm64-musl': {
    platform: 'linux',
    arch: 'arm64',
    libc: 'musl',
    zig: 'aarch64-linux-musl',
  },
  'win32-x64': {
    platform: 'win32',
    arch: 'x64',
    tools: ['x86_64-w64-mingw32-gcc-posix', 'x86_64-w64-mingw32-g++-posix'],
    strip: 'x86_64-w64-mingw32-strip',
  },
  'win32-arm64': { platform: 'win32', arch: 'arm64', zig: 'aarch64-windows-gnu' },
  'darwin-x64': { platform: 'darwin', arch: 'x64', atHome: true },
  'darwin-arm64': { platform: 'darwin', arch: 'arm64', atHome: true },
}

/** The target that this process runs on. */
export function hostTarget() {
  const musl =
    process.platform === 'linux' && !process.report.getReport().header.glibcVersionRuntime
  return `${process.platform}-${process.arch}${musl ? '-musl' : ''}`
}

export const toolchainFile = (name) => (TARGETS[name].zig ? undefined : toolchain(name))

/** Where prebuildify puts it, and lib/native/load.ts looks for it. */
export function prebuildFile(name) {
  const { platform, arch, libc } = TARGETS[name]
  const file = `bge-m3-node${libc ? `.${libc}` : ''}.node`
  return path.join(root, 'prebuilds', `${platform}-${arch}`, file)
}

/** Programs that a target needs and this machine lacks. */
export function missingTools(name) {
  if (name === hostTarget()) return []
  if (TARGETS[name].atHome) return [`a machine that is ${name}`]
  return (TARGETS[name].tools ?? []).filter((tool) => {
    try {
      execFileSync(tool, ['--version'], { stdio: 'ignore' })
      return false
    } catch {
      return true
    }
  })
}
