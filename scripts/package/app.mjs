// A user's application in a fresh folder: the packed tarball installed without scripts, and programs run
// in it on a PATH that has node and nothing else. No compiler, no CMake, no Python, no shell tools.
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { run } from '../run.mjs'

const INSTALL = ['install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund']

/** The registry cannot be reached: the caller skips, loudly. */
export class RegistryUnreachableError extends Error {}

export class App {
  /**
   * @param folder where the application lies; made
   * @param model the GGUF that its programs embed with
   */
  constructor(folder, model) {
    this.folder = folder
    this.model = model
    this.bin = path.join(folder, '.path')
    fs.mkdirSync(this.bin, { recursive: true })
    this.write('package.json', '{"name":"app","private":true}\n')
    linkNode(this.bin)
  }

  /** Installs packages (names with versions, or tarballs). @returns milliseconds */
  install(...specs) {
    const from = performance.now()
    const result = spawnSync(process.execPath, [npmCli(), ...INSTALL, ...specs], {
      cwd: this.folder,
      encoding: 'utf8',
      // npm keeps the user's configuration, such as the registry, but finds no program
      env: { ...process.env, PATH: this.bin, Path: this.bin },
    })
    if (result.status !== 0) {
      const output = `${result.stdout}${result.stderr}`
      if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENOTCACHED|EHOSTUNREACH/.test(output)) {
        throw new RegistryUnreachableError(`npm install ${specs.join(' ')}: no registry`)
      }
      throw new Error(`npm install ${specs.join(' ')} failed:\n${output}`)
    }
    return performance.now() - from
  }

  /** @returns the file's path */
  write(name, text) {
    const file = path.join(this.folder, name)
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.writeFileSync(file, text)
    return file
  }

  environment(more = {}) {
    return {
      PATH: this.bin,
      HOME: this.folder,
      BGE_M3_MODEL: this.model,
      // what Windows' own libraries cannot do without
      ...(process.env.SystemRoot && { SystemRoot: process.env.SystemRoot }),
      ...more,
    }
  }

  /** Runs a program with nothing but node on the PATH. @returns the JSON of its last line */
  node(file, { node = process.execPath, args = [], env = {}, cwd = this.folder } = {}) {
    const output = run(node, [file, ...args], { quiet: true, cwd, env: this.environment(env) })
    return JSON.parse(output.trim().split('\n').at(-1))
  }

  /** Runs a tool that was installed into the application, on this script's own PATH. */
  tool(file, args, env = {}) {
    const script = path.join(this.folder, 'node_modules', file)
    const environment = { ...process.env, ...env, BGE_M3_MODEL: this.model }
    return run(process.execPath, [script, ...args], {
      quiet: true,
      cwd: this.folder,
      env: environment,
    })
  }

  /** Starts a server. @returns the child */
  start(file, { cwd = this.folder, env = {} } = {}) {
    return spawn(process.execPath, [file], {
      cwd,
      env: this.environment(env),
      stdio: ['ignore', 'ignore', 'inherit'],
    })
  }
}

function linkNode(folder) {
  const name = process.platform === 'win32' ? 'node.exe' : 'node'
  const link = path.join(folder, name)
  if (fs.existsSync(link)) return
  if (process.platform === 'win32') fs.copyFileSync(process.execPath, link)
  else fs.symlinkSync(process.execPath, link)
}

/** npm's own script, so that no shell and no PATH is needed to run it. */
export function npmCli() {
  const nodeDir = path.dirname(fs.realpathSync(process.execPath))
  const candidates = [
    process.env.npm_execpath,
    path.join(nodeDir, 'node_modules/npm/bin/npm-cli.js'),
    path.join(nodeDir, '../lib/node_modules/npm/bin/npm-cli.js'),
  ]
  const found = candidates.find((file) => file?.endsWith('npm-cli.js') && fs.existsSync(file))
  if (!found) throw new Error('npm-cli.js was not found beside node')
  return found
}
