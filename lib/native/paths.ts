/**
 * Where this package lies on disk. The only file that knows how ESM and CommonJS differ in this:
 * tsup fills in `import.meta.url` for the CommonJS build.
 */
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

let found: string | undefined

/** The package's root: the nearest folder above this file whose package.json is ours. */
export function packageRoot(): string {
  if (found) return found
  let dir = path.dirname(fileURLToPath(import.meta.url))
  for (;;) {
    if (isOurs(dir)) break
    const parent = path.dirname(dir)
    // bundled into someone's file: the addon is then looked for from where that file lies
    if (parent === dir) return path.dirname(fileURLToPath(import.meta.url))
    dir = parent
  }
  found = dir
  return dir
}

function isOurs(dir: string): boolean {
  try {
    const text = fs.readFileSync(path.join(dir, 'package.json'), 'utf8')
    return (JSON.parse(text) as { name?: string }).name === 'bge-m3-node'
  } catch {
    return false
  }
}
