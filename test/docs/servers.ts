/** Servers that blocks name in `<!-- with: ... -->`: started once, when the first of them comes. */
import { createServer } from '../../lib/exports/server.js'
import { startContractServer } from '../helpers/qdrant-contract.js'
import { startChromaServer } from '../integrations/frameworks/chroma-server.js'

interface Running {
  /** What stands in the documentation, and what is there instead. */
  written: string
  real: string
  close(): Promise<unknown>
}

export type ServerName = 'server' | 'qdrant' | 'chroma'

/** @param model path of the model that `server` serves */
const start: Record<ServerName, (model: string) => Promise<Running>> = {
  async server(model) {
    const server = await createServer({ port: 0, logLevel: 'silent', load: { model } })
    const { url } = await server.start()
    return { written: 'http://127.0.0.1:8080', real: url, close: () => server.close() }
  },
  async qdrant() {
    const server = await startContractServer()
    return {
      written: 'http://localhost:6333',
      real: server.url,
      async close() {
        await server.close()
        if (server.violations.length > 0)
          throw new Error(`against Qdrant's schema: ${server.violations.join('; ')}`)
      },
    }
  },
  async chroma() {
    const server = await startChromaServer()
    return { written: 'port: 8000', real: `port: ${server.port}`, close: () => server.close() }
  },
}

export const isServer = (name: string): name is ServerName => Object.hasOwn(start, name)

export class Servers {
  readonly #running = new Map<ServerName, Running>()

  /** The code with the addresses of the servers that it needs. */
  async address(code: string, names: readonly string[], model: string): Promise<string> {
    let changed = code
    for (const name of names.filter(isServer)) {
      let server = this.#running.get(name)
      if (!server) {
        server = await start[name](model)
        this.#running.set(name, server)
      }
      changed = changed.replaceAll(server.written, server.real)
    }
    return changed
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running.values()].map((server) => server.close()))
  }
}
