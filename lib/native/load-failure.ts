/** What is said when no addon could be loaded: where, what was tried, and what mends it. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { packageRoot } from './paths.js'
import { glibcVersion, type NativeHost, platformName, thisHost } from './platform.js'

/** The oldest glibc that the prebuilt files run on; scripts/check-symbols.mjs holds them to it. */
const GLIBC_FLOOR = '2.28'

/**
 * @param tried a line for each file and what became of it
 * @returns the message, a line per fact
 */
export function loadFailure(
  tried: readonly string[],
  root = packageRoot(),
  host = thisHost(),
): string {
  const glibc = host.libc === 'glibc' ? glibcVersion() : undefined
  const where = [
    platformName(host),
    host.libc ? `${host.libc}${glibc ? ` ${glibc}` : ''}` : os.release(),
    os.cpus()[0]?.model.trim() || 'unknown processor',
    `Node ${process.version} (N-API ${process.versions.napi})`,
  ]
  const has = prebuiltPlatforms(root)
  return [
    `bge-m3-node's native part could not be loaded on ${where.join(', ')}. Tried:`,
    ...tried.map((line) => `  ${line}`),
    `Prebuilt in this package: ${has.length > 0 ? has.join(', ') : 'nothing'}.`,
    'What to do:',
    ...advice(has, tried.join('\n'), host, glibc).map((line) => `  - ${line}`),
  ].join('\n')
}

function advice(
  has: string[],
  tried: string,
  host: NativeHost,
  glibc: string | undefined,
): string[] {
  const lines: string[] = []
  const here = platformName(host)
  if (/version `GLIBC_[\d.]+' not found/.test(tried)) {
    lines.push(
      `the C library is too old: the prebuilt files need glibc ${GLIBC_FLOOR}, this system has ${glibc ?? 'an older one'}`,
    )
  } else if (!has.includes(here)) {
    lines.push(
      `there is no prebuilt file for ${here}: if node_modules came from another machine or image, install here: npm install bge-m3-node`,
    )
  } else {
    lines.push('reinstall on this machine: npm install --force bge-m3-node')
  }
  lines.push(
    'or build it here: npm explore bge-m3-node -- npm run build-from-source (needs CMake, git and a C++17 compiler)',
    'in Electron add the package to asarUnpack; with a bundler mark it as external, or copy its prebuilds/ beside the bundle',
  )
  return lines
}

/** `linux-x64`, `linux-x64-musl`, ... as the folder has them. */
function prebuiltPlatforms(root: string): string[] {
  const folder = path.join(root, 'prebuilds')
  const list = (dir: string) => {
    try {
      return fs.readdirSync(dir)
    } catch {
      return []
    }
  }
  return list(folder).flatMap((name) =>
    list(path.join(folder, name))
      .filter((file) => file.endsWith('.node'))
      .map((file) => `${name}${file.includes('.musl.') ? '-musl' : ''}`),
  )
}
