// What a packed package is tried with: the tarballs for this platform, and a model.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { cacheDir } from '../paths.mjs'
import { run } from '../run.mjs'
import { hostTarget } from '../targets.mjs'

/** A file; or of a folder's tarballs this package's and this platform's. */
export function tarballsAt(place) {
  if (!fs.statSync(place).isDirectory()) return [place]
  return ['', `${hostTarget()}-`].map((part) => {
    const pattern = new RegExp(`^bge-m3-node-${part}\\d.*\\.tgz$`)
    const found = fs.readdirSync(place).filter((name) => pattern.test(name))
    if (found.length !== 1) throw new Error(`${found.length} tarballs of ${place} are ${pattern}`)
    return path.join(place, found[0])
  })
}

/** The `tiny` stand-in, made by the installed package and kept in the cache. */
export function tinyModel(cli) {
  const key = createHash('sha256').update(fs.readFileSync(cli)).digest('hex').slice(0, 12)
  const file = path.join(cacheDir(), 'standins', `tiny-${key}.gguf`)
  if (fs.existsSync(file)) return file
  const part = `${file}.${process.pid}`
  fs.mkdirSync(path.dirname(file), { recursive: true })
  run(process.execPath, [cli, 'model', 'standin', '--size', 'tiny', '--output', part], {
    quiet: true,
  })
  fs.renameSync(part, file)
  return file
}
