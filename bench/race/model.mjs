// The model to race with: the one that is named, or the `full` stand-in, which has bge-m3's exact shape.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { benchCache } from './cache-dir.mjs'

export function benchModel(named) {
  if (named) return path.resolve(named)
  const file = path.join(benchCache, 'full.gguf')
  if (!fs.existsSync(file)) {
    fs.mkdirSync(benchCache, { recursive: true })
    process.stderr.write('making the full stand-in (635 MB), once ...\n')
    const command = path.resolve(import.meta.dirname, '../../dist/cli/main.js')
    const args = ['model', 'standin', '--size', 'full', '--output', file]
    execFileSync(process.execPath, [command, ...args], { stdio: ['ignore', 2, 2] })
  }
  return file
}
