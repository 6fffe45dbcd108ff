import { createHash } from 'node:crypto'
import { mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { cacheDir } from '../../lib/common/cache-dir.js'
import { createStandin, STANDIN_VERSION } from '../../lib/model/standin/create.js'
import type { StandinArch, StandinSize, StandinType } from '../../lib/model/standin/shapes.js'

export interface StandinChoice {
  size: StandinSize
  arch?: StandinArch
  type?: StandinType
  seed?: number
  vocabSize?: number
}

/**
 * Path of a stand-in model, made on first use and kept in the cache directory. Test processes may
 * ask for the same one at once: one makes it, the others wait.
 */
export async function standinPath(choice: StandinChoice): Promise<string> {
  const { size, arch = 'bge-m3', type = 'q8_0', seed = 1, vocabSize } = choice
  const key = JSON.stringify({ STANDIN_VERSION, size, arch, type, seed, vocabSize })
  const hash = createHash('sha256').update(key).digest('hex').slice(0, 16)
  const path = join(cacheDir(), 'test-models', `v${STANDIN_VERSION}-${hash}.gguf`)
  await makeOnce(path, async () => {
    await createStandin({ output: path, size, arch, type, seed, vocabSize })
  })
  return path
}

/** A `tiny` that loads in a tenth of the time: for tests that load often, and care for no language. */
export const tinyPath = () => standinPath({ size: 'tiny', vocabSize: 8000 })

/** Runs `make`, which puts a complete file at `path`, unless the file is there or on its way. */
export async function makeOnce(path: string, make: () => Promise<void>): Promise<void> {
  const lock = `${path}.lock`
  await mkdir(dirname(path), { recursive: true })
  while (!(await exists(path))) {
    if (!(await takeLock(lock))) {
      await sleep(50)
      continue
    }
    try {
      if (!(await exists(path))) {
        await removeLeftovers(path)
        await make()
      }
    } finally {
      await rm(lock, { force: true })
    }
  }
}

/** What killed processes left of `path`, and the stand-ins of other versions, if a day old. */
async function removeLeftovers(path: string): Promise<void> {
  const directory = dirname(path)
  const yesterday = Date.now() - 86_400_000
  for (const name of await readdir(directory)) {
    const file = join(directory, name)
    const partial = name.startsWith(`${basename(path)}.tmp-`)
    const other = name.includes('.gguf') && !name.startsWith(`v${STANDIN_VERSION}-`)
    const changed = other
      ? await stat(file).then(
          (info) => info.mtimeMs,
          () => yesterday,
        )
      : 0
    if (partial || (other && changed < yesterday)) await rm(file, { force: true })
  }
}

/** False if a living process holds it; a lock that a dead one left is removed. */
async function takeLock(lock: string): Promise<boolean> {
  try {
    const handle = await open(lock, 'wx')
    await handle.writeFile(String(process.pid))
    await handle.close()
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  // Empty for the moment between the creation and the writing of the pid.
  const owner = Number(await readFile(lock, 'utf8').catch(() => ''))
  if (owner > 0 && !isAlive(owner)) await rm(lock, { force: true })
  return false
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
