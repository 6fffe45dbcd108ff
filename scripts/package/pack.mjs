// The tarball that `npm publish` would send, made beside the checkout: nothing there is touched, and a
// build that swaps dist/ meanwhile does no harm.
//   node scripts/package/pack.mjs [--out DIR] [--local] [--json]
// Prints the tarball's path, or with --json what npm says about it.
//   --local: with this machine's addon from build/Release as the only prebuilt file
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { root } from '../paths.mjs'
import { run } from '../run.mjs'

const FLAGS = ['pack', '--json', '--ignore-scripts', '--silent']

/** `prebuilds/<platform>-<arch>/<file>` of this process, as lib/native/load.ts looks for it. */
export function localPrebuild() {
  const glibc = process.report?.getReport().header.glibcVersionRuntime
  const libc = process.platform === 'linux' ? (glibc ? '.glibc' : '.musl') : ''
  return `prebuilds/${process.platform}-${process.arch}/bge-m3-node${libc}.node`
}

/** Paths inside the package, as npm chooses them. */
export function packedFiles(folder = root) {
  const output = run('npm', [...FLAGS, '--dry-run'], { quiet: true, cwd: folder })
  return onlyPackage(output).files.map(({ path: file }) => file)
}

/**
 * @param out the folder that gets the tarball
 * @param local leave `prebuilds/` out but for this machine's addon, taken from build/Release
 * @returns `{ file, size, unpackedSize, files: [{ path, size }] }`; sizes in bytes
 */
export function packPackage({ out, local = false }) {
  fs.mkdirSync(out, { recursive: true })
  const stage = fs.mkdtempSync(path.join(os.tmpdir(), 'bge-m3-pack-'))
  try {
    for (const file of packedFiles()) {
      if (local && file.startsWith('prebuilds/')) continue
      copy(path.join(root, file), path.join(stage, file))
    }
    if (local) {
      const addon = path.join(stage, localPrebuild())
      copy(path.join(root, 'build', 'Release', 'bge_m3_node.node'), addon)
      // as prebuildify does; a machine without binutils keeps the symbols
      if (process.platform === 'linux') spawnSync('strip', ['--strip-unneeded', addon])
    }
    const output = run('npm', [...FLAGS, '--pack-destination', out], { quiet: true, cwd: stage })
    const { filename, size, unpackedSize, files } = onlyPackage(output)
    return { file: path.join(out, filename), size, unpackedSize, files }
  } finally {
    fs.rmSync(stage, { recursive: true, force: true })
  }
}

/** npm 12 answers with an object by name where earlier ones gave an array. */
function onlyPackage(json) {
  const answer = JSON.parse(json)
  return Array.isArray(answer) ? answer[0] : (Object.values(answer)[0] ?? answer)
}

function copy(from, to) {
  fs.mkdirSync(path.dirname(to), { recursive: true })
  fs.copyFileSync(from, to)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      out: { type: 'string', default: '.' },
      local: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  })
  const packed = packPackage({ out: path.resolve(values.out), local: values.local })
  console.log(values.json ? JSON.stringify(packed) : packed.file)
}
