/** The programs that people install packages with, in an application of their own. */
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { App, npmCli } from '../../../scripts/package/app.mjs'

export interface Client {
  name: string
  /** The script and its arguments. */
  add: (tools: string) => string[]
  /** What keeps optional packages away. */
  withoutOptional?: string
  /** Settings of Yarn 4. */
  yarnrc?: object
}

const yarn4 = (nodeLinker: string): Client => ({
  name: `yarn 4, ${nodeLinker}`,
  add: (tools) => [path.join(tools, '@yarnpkg/cli-dist/bin/yarn.js'), 'add'],
  yarnrc: {
    nodeLinker,
    enableTelemetry: false,
    npmMinimalAgeGate: 0,
    unsafeHttpWhitelist: ['127.0.0.1'],
  },
})

export const CLIENTS: Client[] = [
  {
    name: 'npm',
    add: () => [npmCli(), 'install', '--no-audit', '--no-fund'],
    withoutOptional: '--omit=optional',
  },
  {
    name: 'pnpm',
    add: (tools) => [path.join(tools, 'pnpm/bin/pnpm.cjs'), 'add'],
    withoutOptional: '--no-optional',
  },
  {
    name: 'yarn 1',
    add: (tools) => [path.join(tools, 'yarn/bin/yarn.js'), 'add'],
    withoutOptional: '--ignore-optional',
  },
  yarn4('node-modules'),
  yarn4('pnp'),
]

export interface End {
  code: number
  output: string
}

/** An application, a client's home with its caches, and nothing but node on the PATH. */
export class Application {
  readonly app: App
  readonly #home: string

  constructor(
    folder: string,
    readonly client: Client,
    readonly tools: string,
    readonly registry: string,
    model: string,
  ) {
    this.app = new App(path.join(folder, 'app'), model)
    this.#home = path.join(folder, 'home')
    fs.mkdirSync(this.#home)
    this.app.write('yarn.lock', '') // Yarn 4: this is a project of its own
    if (client.yarnrc) {
      const settings = { ...client.yarnrc, npmRegistryServer: registry }
      this.app.write('.yarnrc.yml', JSON.stringify(settings))
    }
  }

  async add(...args: string[]): Promise<void> {
    const end = await this.#node([...this.client.add(this.tools), ...args], {
      npm_config_registry: this.registry,
      YARN_REGISTRY: this.registry,
    })
    if (end.code !== 0) throw new Error(end.output)
  }

  run(file: string, ...args: string[]): Promise<End> {
    const pnp = path.join(this.app.folder, '.pnp.cjs')
    const loader = pathToFileURL(path.join(this.app.folder, '.pnp.loader.mjs')).href
    const flags = fs.existsSync(pnp) ? ['--require', pnp, '--experimental-loader', loader] : []
    return this.#node([...flags, path.join(this.app.folder, file), ...args])
  }

  /** The platforms' packages that lie there, and the bytes of each; however many links lead to it. */
  platforms(): Record<string, number> {
    const files = fs.readdirSync(this.app.folder, { recursive: true, encoding: 'utf8' })
    const pattern = /@bge-m3-node[\\/]([^\\/]+)[\\/]bge-m3-node\.node$/
    const found: Record<string, number> = {}
    for (const file of files) {
      const target = pattern.exec(file)?.[1]
      if (target) found[target] = fs.statSync(path.join(this.app.folder, file)).size
    }
    return found
  }

  #node(args: string[], env = {}): Promise<End> {
    const options = {
      cwd: this.app.folder,
      timeout: 120_000,
      env: this.app.environment({
        HOME: this.#home,
        USERPROFILE: this.#home,
        NO_COLOR: '1',
        ...env,
      }),
    }
    return new Promise((resolve) => {
      execFile(process.execPath, args, options, (error, stdout, stderr) =>
        resolve({ code: error ? Number(error.code ?? -1) : 0, output: `${stdout}${stderr}` }),
      )
    })
  }
}
