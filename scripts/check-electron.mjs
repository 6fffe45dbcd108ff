// Runs examples/electron in Electron itself: the packed tarballs are installed beside it, its window is driven, its
// utility process is killed, and the app works on.
//   node scripts/check-electron.mjs [--tarball DIR] [--model F]
// Without --tarball it packs this checkout with this machine's addon. On Linux without a display it starts Xvfb.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { _electron } from 'playwright-core'
import { App } from './package/app.mjs'
import { packPackage } from './package/pack.mjs'
import { tarballsAt, tinyModel } from './package/tried.mjs'
import { root } from './paths.mjs'
import { run, say } from './run.mjs'

const { values: options } = parseArgs({
  options: { tarball: { type: 'string' }, model: { type: 'string' } },
})

const work = fs.mkdtempSync(path.join(os.tmpdir(), 'bge-m3 electron ü-')) // a path as users have them
const needsDisplay = process.platform === 'linux' && !process.env.DISPLAY
const display = needsDisplay ? await startXvfb() : undefined
try {
  await drive(install())
} finally {
  display?.kill()
  fs.rmSync(work, { recursive: true, force: true, maxRetries: 10 })
}

/** @returns the process, when it takes connections; it chooses a display and says which */
async function startXvfb() {
  const xvfb = spawn('Xvfb', ['-displayfd', '1', '-screen', '0', '1280x900x24'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [number] = await once(xvfb.stdout, 'data')
  process.env.DISPLAY = `:${String(number).trim()}`
  return xvfb
}

/** @returns the example's folder, with all that it needs */
function install() {
  if (!options.tarball) packPackage({ out: work, local: true })
  const app = new App(path.join(work, 'app'))
  fs.cpSync(path.join(root, 'examples/electron'), app.folder, { recursive: true })
  const manifest = JSON.parse(fs.readFileSync(path.join(app.folder, 'package.json'), 'utf8'))
  const { electron } = manifest.devDependencies
  // the package comes from the tarballs, and packing the app is not what is tried
  app.write('package.json', JSON.stringify({ ...manifest, dependencies: {}, devDependencies: {} }))
  app.install(...tarballsAt(path.resolve(options.tarball ?? work)), `electron@${electron}`)
  run(process.execPath, [path.join(app.folder, 'node_modules/electron/install.js')], {
    quiet: true,
  })
  return app.folder
}

async function drive(folder) {
  const from = createRequire(path.join(folder, 'package.json'))
  const cli = path.join(folder, 'node_modules/bge-m3-node/dist/cli/main.js')
  const app = await _electron.launch({
    executablePath: from('electron'),
    args: ['--no-sandbox', folder],
    env: { ...process.env, BGE_M3_MODEL: options.model ?? tinyModel(cli) },
  })
  const window = await app.firstWindow()
  const status = (text) =>
    window.locator('#status', { hasText: text }).waitFor({ timeout: 120_000 })
  const compare = async () => {
    await window.click('#run')
    await status('texts compared')
    const hits = await window.locator('#hits li').count()
    if (hits !== 3) throw new Error(`${hits} hits instead of 3`)
  }
  await status('Ready')
  await compare()
  say('passed  the app embeds in its utility process')
  const pid = await app.evaluate(({ app }) => {
    const isOurs = ({ type, name }) => type === 'Utility' && name === 'embedder'
    return app.getAppMetrics().find(isOurs)?.pid
  })
  if (pid === undefined) throw new Error('there is no utility process named embedder')
  process.kill(pid, 'SIGKILL')
  await compare()
  say('passed  the app works on when its utility process was killed')
  await app.close()
}
