/** A registry of this machine's own: Verdaccio with the packed packages, and other people's from upstream. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { npmCli } from '../../../scripts/package/app.mjs'
import { buildCacheDir } from '../../../scripts/paths.mjs'

/** What is installed for the test, once per machine. */
const TOOLS = {
  dependencies: {
    verdaccio: '6.8.0',
    pnpm: '10.34.9',
    yarn: '1.22.22',
    '@yarnpkg/cli-dist': '4.18.1',
  },
  // Verdaccio asks for a tag of it, which a mirror may lack
  overrides: { 'node-fetch': '2.7.0' },
}

/** @returns the folder of the tools; throws where they cannot be fetched */
export function registryTools(): string {
  const folder = path.join(buildCacheDir(), 'registry-tools')
  const wanted = JSON.stringify({ private: true, ...TOOLS })
  const marker = path.join(folder, '.complete')
  if (!fs.existsSync(marker) || fs.readFileSync(marker, 'utf8') !== wanted) {
    fs.mkdirSync(folder, { recursive: true })
    fs.writeFileSync(path.join(folder, 'package.json'), wanted)
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock']
    execFileSync(process.execPath, [npmCli(), 'install', ...flags], { cwd: folder, stdio: 'pipe' })
    fs.writeFileSync(marker, wanted)
  }
  return path.join(folder, 'node_modules')
}

export class Registry {
  url = ''
  #child: ChildProcess | undefined

  /** @param folder for its files */
  async start(tools: string, folder: string): Promise<void> {
    const upstream = execFileSync(process.execPath, [npmCli(), 'config', 'get', 'registry'])
    const config = {
      storage: path.join(folder, 'storage'),
      uplinks: { upstream: { url: upstream.toString().trim() } },
      packages: {
        // never asked for upstream
        'bge-m3-node': { access: '$all', publish: '$all' },
        '@bge-m3-node/*': { access: '$all', publish: '$all' },
        '**': { access: '$all', proxy: 'upstream' },
      },
      max_body_size: '100mb',
      log: { type: 'stdout', level: 'error' },
    }
    const file = path.join(folder, 'verdaccio.yaml')
    fs.writeFileSync(file, JSON.stringify(config)) // JSON is YAML
    const address = `127.0.0.1:${await freePort()}`
    this.url = `http://${address}/`
    const script = path.join(tools, 'verdaccio/bin/verdaccio')
    this.#child = spawn(process.execPath, [script, '--config', file, '--listen', address], {
      stdio: 'ignore',
    })
    for (let i = 0; !(await this.has('-/ping')); i++) {
      if (i > 300 || this.#child.exitCode !== null) throw new Error('Verdaccio did not start')
      await sleep(100)
    }
  }

  async has(name: string): Promise<boolean> {
    // a connection that is kept may have ended unseen, while a command held this thread
    const headers = { connection: 'close' }
    const response = await fetch(`${this.url}${name}`, { headers }).catch(() => undefined)
    return response?.ok ?? false
  }

  stop(): void {
    this.#child?.kill()
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
