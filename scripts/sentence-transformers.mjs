// sentence-transformers in a virtual environment of its own, for tests that compare with it (6 GB, once).
//   node scripts/sentence-transformers.mjs      makes it, prints the path of its Python
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { cacheDir } from './paths.mjs'

const PACKAGES = ['sentence-transformers==6.2.0', 'torch==2.15.0', 'transformers==5.24.0']
const home = path.join(cacheDir(), 'python', 'sentence-transformers-6.2.0')
const ready = path.join(home, 'ready')
const python = path.join(
  home,
  ...(os.platform() === 'win32' ? ['Scripts', 'python.exe'] : ['bin', 'python']),
)

/** The path of the Python that has it; undefined before this script has made it: 6 GB are not fetched unasked. */
export const sentenceTransformers = () => (fs.existsSync(ready) ? python : undefined)

/** Makes it if need be. Throws where pip cannot fetch it. */
function make() {
  if (fs.existsSync(ready)) return python
  fs.mkdirSync(home, { recursive: true })
  const options = { cwd: os.tmpdir(), stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' }
  const patience = ['--retries', '1', '--timeout', '30', '--disable-pip-version-check']
  const pip = ['-m', 'pip', 'install', '--quiet', '--only-binary=:all:', ...patience]
  try {
    execFileSync('python3', ['-m', 'venv', home], { ...options, timeout: 120_000 })
    execFileSync(python, [...pip, ...PACKAGES], { ...options, timeout: 1_200_000 })
  } catch (error) {
    const lines = String(error.stderr ?? error.message)
      .trim()
      .split('\n')
    throw new Error(`sentence-transformers cannot be had: ${lines.at(-1)}`)
  }
  fs.writeFileSync(ready, '')
  return python
}

if (import.meta.filename === process.argv[1]) console.log(make())
