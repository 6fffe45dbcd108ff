// LangChain's and Chroma's Hugging Face clients, for JavaScript and Python, in a folder of their own, for the test that
// points them at our server (700 MB, once): @langchain/community cannot be installed beside our other packages.
//   node scripts/hugging-face-clients.mjs      makes it, prints its path
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { cacheDir } from './paths.mjs'

const NPM = [
  '@langchain/community@1.1.29',
  '@langchain/core@1.4.0',
  '@huggingface/inference@4.13.30',
  '@chroma-core/huggingface-server@0.1.8',
  'chromadb@3.5.0',
]
const PIP = ['langchain-huggingface==1.2.3', 'chromadb==1.5.9']
const home = path.join(cacheDir(), 'hugging-face-clients', 'v1')
const ready = path.join(home, 'ready')
const python = path.join(
  home,
  'python',
  ...(process.platform === 'win32' ? ['Scripts', 'python.exe'] : ['bin', 'python']),
)

/** The folder of the JavaScript ones and the Python of the others; undefined before this script has made them. */
export const huggingFaceClients = () =>
  fs.existsSync(ready) ? { folder: home, python } : undefined

function make() {
  if (fs.existsSync(ready)) return home
  fs.mkdirSync(home, { recursive: true })
  fs.writeFileSync(path.join(home, 'package.json'), '{"private": true, "type": "module"}')
  const options = { cwd: home, stdio: ['ignore', 'ignore', 'inherit'] }
  // its peers ask for two majors of the same packages
  const npm = ['install', '--ignore-scripts', '--legacy-peer-deps', '--no-audit', '--no-fund']
  execFileSync('npm', [...npm, ...NPM], { ...options, shell: process.platform === 'win32' })
  execFileSync('python3', ['-m', 'venv', path.join(home, 'python')], options)
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check']
  execFileSync(python, [...pip, '--only-binary=:all:', ...PIP], options)
  fs.writeFileSync(ready, '')
  return home
}

if (import.meta.filename === process.argv[1]) console.log(make())
