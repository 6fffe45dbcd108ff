// node_modules as package-lock.json says; nothing when that is already so.
import fs from 'node:fs'
import path from 'node:path'
import { root } from './paths.mjs'
import { run, say } from './run.mjs'

/**
 * `npm install --no-save` rather than `npm ci`: both take the locked versions, but `ci` refuses a lock
 * file that was written where the registry lacks another platform's optional packages.
 *
 * Packages' own install scripts are never run: what we need ships inside
 * the packages.
 */
export function ensureInstalled(dir = root) {
  const lock = fs.statSync(path.join(dir, 'package-lock.json'))
  const marker = fs.statSync(path.join(dir, 'node_modules', '.package-lock.json'), {
    throwIfNoEntry: false,
  })
  if (marker && marker.mtimeMs >= lock.mtimeMs) return
  const started = Date.now()
  say('installing npm packages')
  run('npm', ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--silent'], {
    quiet: true,
    cwd: dir,
  })
  const now = new Date()
  fs.utimesSync(path.join(dir, 'node_modules', '.package-lock.json'), now, now)
  say(`installed in ${((Date.now() - started) / 1000).toFixed(1)} s`)
}
