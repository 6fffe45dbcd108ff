// The tarballs that `npm publish` would send, made beside the checkout: nothing there is touched, and a
// build that swaps dist/ meanwhile does no harm. One of this package, without a binary, and one per target.
//   node scripts/package/pack.mjs [--out DIR] [--local] [--bundled] [--json]
// Prints the tarballs' paths, this package's first; with --json what npm says about it, and `platforms`.
//   --local: this machine's addon alone, from build/Release; otherwise every target's, from prebuilds/
//   --bundled: the addons inside this package, for whoever cannot have packages per platform
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { root } from '../paths.mjs'
import { run } from '../run.mjs'
import { hostTarget, prebuildFile, TARGETS } from '../targets.mjs'
import { ADDON, optionalDependencies, platformManifest, platformReadme } from './platforms.mjs'

const FLAGS = ['pack', '--json', '--ignore-scripts', '--silent']

/**
 * @param out the folder that gets the tarballs
 * @param targets whose packages this one asks for
 * @param local only this machine's addon, taken from build/Release
 * @param bundled put the addons into this package, and ask for none
 * @returns `{ file, id, integrity, size, unpackedSize, files: [{ path, size }], platforms: [{ target, file, ... }] }`;
 *   sizes in bytes, `id` as `name@version`
 */
export function packPackage({
  out,
  targets = Object.keys(TARGETS),
  local = false,
  bundled = false,
}) {
  const shipped = local ? [hostTarget()] : targets
  const source = local
    ? () => path.join(root, 'build', 'Release', 'bge_m3_node.node')
    : prebuildFile
  const missing = shipped.filter((target) => !fs.existsSync(source(target)))
  if (missing.length > 0) throw new Error(`not built: ${missing.join(', ')} (npm run prebuild:all)`)
  const addon = (target, to) => copyAddon(source(target), to, local)
  const platforms = bundled
    ? []
    : shipped.map((target) => ({ target, ...packPlatform(target, { out, addon }) }))
  const main = pack(out, (stage) => {
    for (const file of packedFiles()) copy(path.join(root, file), path.join(stage, file))
    const manifest = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'))
    if (bundled) {
      manifest.files.push('prebuilds')
      for (const target of shipped)
        addon(target, path.join(stage, path.relative(root, prebuildFile(target))))
    } else manifest.optionalDependencies = optionalDependencies(targets)
    writeManifest(stage, manifest)
  })
  return { ...main, platforms }
}

function packPlatform(target, { out, addon }) {
  return pack(out, (stage) => {
    for (const file of ['LICENSE', 'THIRD_PARTY_NOTICES.md'])
      copy(path.join(root, file), path.join(stage, file))
    addon(target, path.join(stage, ADDON))
    fs.writeFileSync(path.join(stage, 'README.md'), platformReadme(target))
    writeManifest(stage, platformManifest(target))
  })
}

/** Packs a folder that `fill` fills. */
function pack(out, fill) {
  fs.mkdirSync(out, { recursive: true })
  const stage = fs.mkdtempSync(path.join(os.tmpdir(), 'bge-m3-pack-'))
  try {
    fill(stage)
    const output = run('npm', [...FLAGS, '--pack-destination', out], { quiet: true, cwd: stage })
    const { filename, id, integrity, size, unpackedSize, files } = onlyPackage(output)
    return { file: path.join(out, filename), id, integrity, size, unpackedSize, files }
  } finally {
    fs.rmSync(stage, { recursive: true, force: true })
  }
}

/** Paths inside the package, as npm chooses them. */
function packedFiles() {
  const output = run('npm', [...FLAGS, '--dry-run'], { quiet: true, cwd: root })
  return onlyPackage(output).files.map(({ path: file }) => file)
}

/** npm 12 answers with an object by name where earlier ones gave an array. */
function onlyPackage(json) {
  const answer = JSON.parse(json)
  return Array.isArray(answer) ? answer[0] : (Object.values(answer)[0] ?? answer)
}

function copyAddon(from, to, strip) {
  copy(from, to)
  // as prebuildify does; a machine without binutils keeps the symbols
  if (strip && process.platform === 'linux') spawnSync('strip', ['--strip-unneeded', to])
}

function copy(from, to) {
  fs.mkdirSync(path.dirname(to), { recursive: true })
  fs.copyFileSync(from, to)
}

const writeManifest = (folder, manifest) =>
  fs.writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      out: { type: 'string', default: '.' },
      local: { type: 'boolean', default: false },
      bundled: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  })
  const packed = packPackage({ ...values, out: path.resolve(values.out) })
  if (values.json) console.log(JSON.stringify(packed))
  else for (const { file } of [packed, ...packed.platforms]) console.log(file)
}
