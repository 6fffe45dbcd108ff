// `npm run quickstart`: from a fresh clone to nearest neighbours of real paragraphs.
import path from 'node:path'
import { ensureInstalled } from './install.mjs'
import { root } from './paths.mjs'
import { run, say } from './run.mjs'

const started = Date.now()
try {
  ensureInstalled()
  run(process.execPath, [path.join(root, 'scripts', 'build.mjs'), '--if-needed'])
  run(process.execPath, [path.join(root, 'examples', 'basic', 'quickstart.mjs')], {
    stdio: 'inherit',
  })
  say(`quickstart took ${((Date.now() - started) / 1000).toFixed(1)} s`)
} catch (error) {
  say(error.message)
  process.exit(1)
}
