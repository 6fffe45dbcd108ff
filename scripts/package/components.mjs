// Everything of others that a user gets with the package, found where it comes from: package-lock.json for
// what npm installs beside it, a bundler's own account for what is copied into dist/, and what the addon
// is linked from.
import fs from 'node:fs'
import path from 'node:path'
import { build } from 'esbuild'
import { lock as llama } from '../llama-source.mjs'
import { root } from '../paths.mjs'

const lock = JSON.parse(fs.readFileSync(path.join(root, 'package-lock.json'), 'utf8')).packages
const manifest = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'))

/** Entries of tsup.config.ts that take their packages into the bundle. */
const BUNDLED = ['lib/apps/report/page/client/main.ts', 'lib/apps/server/page/client/app.ts']

/**
 * What `npm install bge-m3-node` installs with it. (`npm sbom --omit dev` leaves out whatever a dev
 * dependency uses as well.)
 *
 * @returns `[{ name, version, license, integrity, needs: [name@version] }]`
 */
export function installedPackages() {
  const found = new Map()
  const visit = (place) => {
    const { version, license, integrity, dependencies = {} } = lock[place]
    const name = nameOf(place)
    const entry = { name, version, license: license ?? licenseOf(place), integrity, needs: [] }
    if (found.has(place)) return found.get(place)
    found.set(place, entry)
    for (const needed of Object.keys(dependencies)) {
      const { name: n, version: v } = visit(resolve(place, needed))
      entry.needs.push(`${n}@${v}`)
    }
    return entry
  }
  for (const name of Object.keys(manifest.dependencies)) visit(`node_modules/${name}`)
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Packages of which parts are copied into dist/. @returns `[{ name, version, license, integrity }]` */
export async function bundledPackages() {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: BUNDLED,
    bundle: true,
    platform: 'browser',
    write: false,
    metafile: true,
    outdir: 'out',
    logLevel: 'silent',
  })
  const inputs = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.entries(inputs))
  const places = inputs
    .filter(([file, { bytesInOutput }]) => bytesInOutput > 0 && file.includes('node_modules/'))
    .map(([file]) => /^.*node_modules\/(@[^/]+\/)?[^/]+/.exec(file)[0])
  return [...new Set(places)].sort().map((place) => {
    const { version, license, integrity } = lock[place]
    return { name: nameOf(place), version, license: license ?? licenseOf(place), integrity }
  })
}

/** What the compiled addon holds. `heading` is its place in THIRD_PARTY_NOTICES.md. */
export function nativeComponents() {
  const version = (name) => lock[`node_modules/${name}`].version
  return [
    {
      name: 'llama.cpp',
      version: llama.tag,
      license: 'MIT',
      purl: `pkg:github/ggml-org/llama.cpp@${llama.tag}`,
      heading: 'llama.cpp and ggml',
      properties: {
        'bge-m3-node:linkage': 'static, unmodified',
        'bge-m3-node:fetched-from': `pkg:npm/${llama.package}@${llama.version} (llama/gitRelease.bundle)`,
        'bge-m3-node:fetched-integrity': llama.integrity,
      },
    },
    ...['node-addon-api', 'node-api-headers'].map((name) => ({
      name,
      version: version(name),
      license: 'MIT',
      purl: `pkg:npm/${name}@${version(name)}`,
      heading: 'node-addon-api and Node-API headers',
      properties: { 'bge-m3-node:linkage': 'headers' },
    })),
    {
      name: 'Unicode Character Database',
      version: '17.0.0',
      license: 'Unicode-3.0',
      heading: 'Unicode data',
      properties: { 'bge-m3-node:linkage': 'tables derived from it; and from 8.0.0 for BERT' },
    },
    {
      name: 'libstdc++ and libgcc',
      version: 'of the building compiler',
      license: 'GPL-3.0-only WITH GCC-exception-3.1',
      heading: 'GNU C++ runtime',
      properties: { 'bge-m3-node:linkage': 'static, in linux glibc and win32-x64' },
    },
    {
      name: 'libc++, libunwind and compiler-rt',
      version: 'of the building compiler',
      license: 'Apache-2.0 WITH LLVM-exception',
      heading: 'LLVM runtime',
      properties: { 'bge-m3-node:linkage': 'static, in linux musl, darwin and win32-arm64' },
    },
    {
      name: 'mingw-w64 runtime',
      version: 'of the building compiler',
      license: 'ZPL-2.1',
      heading: 'mingw-w64 runtime',
      properties: { 'bge-m3-node:linkage': 'static, in win32' },
    },
  ]
}

const nameOf = (place) => place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length)

function licenseOf(place) {
  return JSON.parse(fs.readFileSync(path.join(root, place, 'package.json'), 'utf8')).license
}

/** Where Node finds `name` from the package at `place`. */
function resolve(place, name) {
  for (let at = place; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    const candidate = at ? `${at}/node_modules/${name}` : `node_modules/${name}`
    if (lock[candidate]) return candidate
    if (!at) throw new Error(`package-lock.json has no ${name} for ${place}`)
  }
}
