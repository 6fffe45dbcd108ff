// One contender in a folder of its own: install time, what is fetched and stored, cold start.
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'

const INSTALL = ['install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund']

/** Installs into an empty folder. @returns seconds */
export function install(folder, specs) {
  fs.rmSync(folder, { recursive: true, force: true })
  fs.mkdirSync(folder, { recursive: true })
  fs.writeFileSync(path.join(folder, 'package.json'), '{"private":true,"type":"module"}')
  const from = performance.now()
  const result = spawnSync('npm', [...INSTALL, ...specs], { cwd: folder, encoding: 'utf8' })
  if (result.status !== 0) throw new Error(result.stderr)
  return (performance.now() - from) / 1000
}

/** @returns `{ packages, fetched, stored }`: bytes of the tarballs, and of the files they hold */
export function sizes(folder, cache) {
  const lock = JSON.parse(fs.readFileSync(path.join(folder, 'package-lock.json'), 'utf8'))
  const there = Object.entries(lock.packages).filter(
    ([place]) => place && fs.existsSync(path.join(folder, place)),
  )
  const fetched = there.reduce((sum, [, { integrity }]) => sum + tarballSize(integrity, cache), 0)
  return { packages: there.length, fetched, stored: folderSize(path.join(folder, 'node_modules')) }
}

function tarballSize(integrity, cache) {
  const hex = Buffer.from(integrity.replace('sha512-', ''), 'base64').toString('hex')
  const file = path.join(cache, '_cacache/content-v2/sha512', hex.slice(0, 2), hex.slice(2, 4))
  return fs.statSync(path.join(file, hex.slice(4))).size
}

function folderSize(folder) {
  return fs
    .readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + fs.statSync(path.join(entry.parentPath, entry.name)).size, 0)
}

/** From starting the process to the line it prints after its first embedding. @returns seconds */
export function coldStart(folder, program, env) {
  const file = path.join(folder, 'start.mjs')
  fs.writeFileSync(file, program)
  return new Promise((resolve, reject) => {
    const from = performance.now()
    const child = spawn(process.execPath, [file], {
      cwd: folder,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let seconds
    let errors = ''
    child.stdout.on('data', (data) => {
      if (/^\d+$/m.test(data)) seconds ??= (performance.now() - from) / 1000
    })
    child.stderr.on('data', (data) => {
      errors += data
    })
    child.on('close', (code) => {
      if (seconds === undefined) reject(new Error(`no embedding (exit code ${code}): ${errors}`))
      else resolve(seconds)
    })
  })
}
