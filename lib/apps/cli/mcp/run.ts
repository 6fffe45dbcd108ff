/** `bge-m3 mcp`: an index for agents, until they are gone. */

import { optional } from '../../../common/optional.js'
import { turn } from '../../../common/timers.js'
import { openIndex, type SearchIndex } from '../../../integrations/search/search-index.js'
import { EXIT } from '../shared/errors.js'
import type { CliIo } from '../shared/io.js'
import { openEmbedder } from '../shared/load.js'
import { modelOfIndex } from '../shared/model-of-index.js'
import { type Flags, optionValues } from '../shared/options.js'
import { packageVersion } from '../shared/version.js'
import { addTools, type Work } from './tools.js'
import { serveHttp, serveStdio } from './transports.js'

interface McpFlags {
  store: string
  port?: number
}

export async function runMcp(io: CliIo, flags: Flags): Promise<number> {
  const { store, port } = flags as unknown as McpFlags
  const makeServer = await serverMaker()
  const values = await modelOfIndex(optionValues(flags, io.env), store)
  const embedder = await openEmbedder(io, values)
  try {
    const index = await openIndex(store, { embedder, create: false })
    try {
      const work = new Pending()
      const make = () => makeServer(index, work)
      const serving =
        port === undefined ? await serveStdio(io, await make()) : await serveHttp(io, port, make)
      const interrupted = new Promise<void>((resolve) => {
        if (io.signal.aborted) resolve()
        io.signal.addEventListener('abort', () => resolve(), { once: true })
      })
      await Promise.race([serving.ended, interrupted])
      // what was asked is answered, unless nobody waits for it
      await Promise.race([work.settled(), interrupted])
      await serving.close()
      return EXIT.done
    } finally {
      await index.close()
    }
  } finally {
    await embedder.dispose()
  }
}

async function serverMaker() {
  const { McpServer } = await optional(
    '@modelcontextprotocol/sdk',
    'bge-m3 mcp',
    () => import('@modelcontextprotocol/sdk/server/mcp.js'),
    ['@modelcontextprotocol/sdk', 'zod'],
  )
  return async (index: SearchIndex, work: Work) => {
    const server = new McpServer({ name: 'bge-m3', version: packageVersion() })
    await addTools(server, index, work)
    return server
  }
}

/** Calls that are not answered yet. */
class Pending implements Work {
  readonly #calls = new Set<Promise<unknown>>()

  during<T>(call: Promise<T>): Promise<T> {
    this.#calls.add(call)
    const done = () => this.#calls.delete(call)
    call.then(done, done)
    return call
  }

  /** Also those that come meanwhile. */
  async settled(): Promise<void> {
    // what is read already reaches its tool in the next turns of the event loop
    await turn()
    while (this.#calls.size > 0) {
      await Promise.allSettled(this.#calls)
      await turn()
    }
  }
}
