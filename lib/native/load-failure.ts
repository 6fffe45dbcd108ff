/** What is said when no addon could be loaded: where, what was tried, and what mends it. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { packagedAddon, packageRoot, platformPackage } from './paths.js'
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
  const has = prebuiltPlatforms(root, host)
  return [
    `bge-m3-node's native part could not be loaded on ${where.join(', ')}. Tried:`,
    ...tried.map((line) => `  ${line}`),
    `Prebuilt files that are installed: ${has.join(', ') || 'none'}.`,
    'What to do:',
    ...loadAdvice(tried, root, host).map((line) => `  - ${line}`),
  ].join('\n')
}

/** What may mend it, the likeliest first. */
export function loadAdvice(
  tried: readonly string[],
  root = packageRoot(),
  host = thisHost(),
): string[] {
  const forbidden = forbiddenBy(tried.join('\n'), root)
  if (forbidden !== undefined) return [forbidden]
  return [
    ...cause(tried.join('\n'), root, host),
    'or build it here: npm explore bge-m3-node -- npm run build-from-source (needs CMake, git and a C++17 compiler)',
    'in Electron add bge-m3-node and @bge-m3-node to asarUnpack; with a bundler mark bge-m3-node as external, or copy node_modules/@bge-m3-node beside the bundle',
  ]
}

/** What was told not to load it: nothing is missing then, and nothing needs to be installed. */
function forbiddenBy(tried: string, root: string): string | undefined {
  if (/--allow-ffi|requires ffi access/i.test(tried)) {
    return 'Deno was told not to run native code: add --allow-ffi (and --allow-read, --allow-env, --allow-sys)'
  }
  const { permission } = process as unknown as {
    permission?: { has(scope: string, reference?: string): boolean }
  }
  if (/loading addons is disabled/i.test(tried)) {
    return permission
      ? 'Node runs with its permission model: add --allow-addons'
      : 'Node was told not to load addons: leave out --no-addons, which may stand in NODE_OPTIONS too'
  }
  if (permission?.has('fs.read', root) === false) {
    return `Node's permission model forbids to read ${root}: add --allow-fs-read=${root} and --allow-addons`
  }
  return undefined
}

function cause(tried: string, root: string, host: NativeHost): string[] {
  const here = platformName(host)
  const has = prebuiltPlatforms(root, host)
  const { name, version } = platformPackage(root, host)
  if (/version `GLIBC_[\d.]+' not found/.test(tried)) {
    return [
      `the C library is too old: the prebuilt files need glibc ${GLIBC_FLOOR}, this system has ${glibcVersion() ?? 'an older one'}`,
    ]
  }
  if (has.includes(here)) return ['reinstall on this machine: npm install --force bge-m3-node']
  if (!version) {
    return [
      `there is no prebuilt file for ${here}: if node_modules came from another machine or image, install here: npm install bge-m3-node`,
    ]
  }
  const elsewhere = has.length > 0 ? 'node_modules came from another platform' : undefined
  return [
    `${name}@${version} is not installed: the optional dependency of bge-m3-node that holds its native part for ${here}. ` +
      'Install again without --omit=optional (--no-optional, --ignore-optional), or add it: ' +
      `npm install --no-save ${name}@${version}`,
    `${elsewhere ?? 'if the lock file came from another platform'}: npm leaves optional packages out then. ` +
      'Delete node_modules and package-lock.json, and run npm install here',
  ]
}

/** `linux-x64`, `linux-x64-musl`, ...: in `prebuilds/`, and as packages beside this one or inside it. */
function prebuiltPlatforms(root: string, host: NativeHost): string[] {
  const list = (...dir: string[]) => {
    try {
      return fs.readdirSync(path.join(...dir))
    } catch {
      return []
    }
  }
  const bundled = list(root, 'prebuilds').flatMap((name) =>
    list(root, 'prebuilds', name)
      .filter((file) => file.endsWith('.node'))
      .map((file) => `${name}${file.includes('.musl.') ? '-musl' : ''}`),
  )
  const here = platformName(host)
  const own = fs.existsSync(packagedAddon(root, host)) ? [here] : []
  const others = list(root, '..', '@bge-m3-node').filter((name) => name !== here)
  return [...new Set([...bundled, ...own, ...others])]
}
