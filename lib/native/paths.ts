/**
 * Where this package lies on disk. The only file that knows how ESM and CommonJS differ in this:
 * tsup fills in `import.meta.url` for the CommonJS build.
 */
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { type NativeHost, thisHost } from './platform.js'

let found: string | undefined

/** The package's root: the nearest folder above this file whose package.json is ours. */
export function packageRoot(): string {
  if (found) return found
  let dir = path.dirname(fileURLToPath(import.meta.url))
  for (;;) {
    if (isOurs(dir)) break
    const parent = path.dirname(dir)
    // bundled into someone's file: the addon is then looked for from where that file lies
    if (parent === dir) return path.dirname(fileURLToPath(import.meta.url))
    dir = parent
  }
  found = dir
  return dir
}

function isOurs(dir: string): boolean {
  try {
    const text = fs.readFileSync(path.join(dir, 'package.json'), 'utf8')
    return (JSON.parse(text) as { name?: string }).name === 'bge-m3-node'
  } catch {
    return false
  }
}

/**
 * Where the package keeps its prebuilt addon of a platform; scripts/prebuild.mjs puts it there. The name
 * tells glibc from musl: `prebuilds/linux-x64/bge-m3-node.glibc.node`, `prebuilds/win32-x64/bge-m3-node.node`.
 */
export function prebuiltAddon(root: string, { platform, arch, libc }: NativeHost): string {
  const file = `bge-m3-node${libc ? `.${libc}` : ''}.node`
  return path.join(root, 'prebuilds', `${platform}-${arch}`, file)
}

/** Where `npm run build` and `npm run build-from-source` leave the addon that they made. */
export function builtAddon(root: string): string {
  return path.join(root, 'build', 'Release', 'bge_m3_node.node')
}

/**
 * Files that may hold the addon, in the order in which they are tried; `BGE_M3_ADDON` alone when it is set.
 *
 * In a checkout its own build comes first. In an installed package the prebuilt file does, so that a
 * build which an upgrade left behind never shadows it; such a build serves where nothing prebuilt loads.
 */
export function addonCandidates(
  root = packageRoot(),
  env: Readonly<Record<string, string | undefined>> = process.env,
  host = thisHost(),
): string[] {
  if (env.BGE_M3_ADDON) return [path.resolve(env.BGE_M3_ADDON)]
  const files = [prebuiltAddon(root, host), builtAddon(root)]
  return isCheckout(root) ? files.reverse() : files
}

/** A checkout has the sources of lib/, which are in no tarball. */
function isCheckout(root: string): boolean {
  return fs.existsSync(path.join(root, 'lib', 'native', 'load.ts'))
}
