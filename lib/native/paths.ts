/**
 * Where this package lies on disk. The only file that knows how ESM and CommonJS differ in this.
 */
import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { type NativeHost, platformName, thisHost } from './platform.js'

/**
 * CommonJS has no `import.meta.url`, but `__filename`, which beats what a `document` says. Asked in this order,
 * because code that is evaluated (`node -e`, a worker's source) has a global `__filename` that is no path.
 */
const here = () => path.dirname(import.meta.url ? fileURLToPath(import.meta.url) : __filename)

let found: string | undefined

/** The package's root: the nearest folder above this file whose package.json is ours. */
export function packageRoot(): string {
  if (found) return found
  let dir = here()
  for (;;) {
    if (isOurs(dir)) break
    const parent = path.dirname(dir)
    // bundled into someone's file: the addon is then looked for from where that file lies
    if (parent === dir) return here()
    dir = parent
  }
  found = dir
  return dir
}

const isOurs = (dir: string) => manifest(dir).name === 'bge-m3-node'

interface Manifest {
  name?: string
  version?: string
  optionalDependencies?: Record<string, string>
}

/** The package.json of a folder; empty where there is none. */
function manifest(dir: string): Manifest {
  try {
    return JSON.parse(fs.readFileSync(path.join(dir, 'package.json'), 'utf8')) as Manifest
  } catch {
    return {}
  }
}

/**
 * The package that holds a platform's addon: `@bge-m3-node/linux-x64-musl`. Its version is what this package
 * asks for in `optionalDependencies`, which scripts/package/pack.mjs writes; undefined if it asks for none.
 */
export function platformPackage(
  root: string,
  host: NativeHost,
): { name: string; version: string | undefined } {
  const name = `@bge-m3-node/${platformName(host)}`
  return { name, version: manifest(root).optionalDependencies?.[name] }
}

/**
 * The addon in that package, found as Node finds a dependency of this one. One of another version, which an
 * upgrade may leave behind, does not count: its addon may speak another language. Without one it is the path
 * that a dependency nested in this package would have.
 */
export function packagedAddon(root: string, host: NativeHost): string {
  const { name, version } = platformPackage(root, host)
  let folder = path.join(root, 'node_modules', name)
  try {
    const require = createRequire(path.join(root, 'package.json'))
    const found = path.dirname(require.resolve(`${name}/package.json`))
    if (version === undefined || manifest(found).version === version) folder = found
  } catch {
    // not installed
  }
  return path.join(folder, 'bge-m3-node.node')
}

/**
 * Where scripts/prebuild.mjs leaves a platform's addon; a tarball made with `pack.mjs --bundled` has it there.
 * The name tells glibc from musl: `prebuilds/linux-x64/bge-m3-node.glibc.node`.
 */
export function bundledAddon(root: string, { platform, arch, libc }: NativeHost): string {
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
 * In a checkout its own build comes first. In an installed package it comes last, so that a build which an
 * upgrade left behind never shadows a prebuilt file; it serves where nothing prebuilt loads.
 */
export function addonCandidates(
  root = packageRoot(),
  env: Readonly<Record<string, string | undefined>> = process.env,
  host = thisHost(),
): string[] {
  if (env.BGE_M3_ADDON) return [path.resolve(env.BGE_M3_ADDON)]
  const prebuilt = [bundledAddon(root, host), packagedAddon(root, host)]
  const built = builtAddon(root)
  return isCheckout(root) ? [built, ...prebuilt] : [...prebuilt, built]
}

/** A checkout has the sources of lib/, which are in no tarball. */
function isCheckout(root: string): boolean {
  return fs.existsSync(path.join(root, 'lib', 'native', 'load.ts'))
}
