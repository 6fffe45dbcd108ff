// Next.js with `output: 'standalone'`: the traced folder is moved away from the application, so that
// whatever tracing forgot is missing.
import fs from 'node:fs'
import { createServer } from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import * as programs from '../programs.mjs'

const CONFIG = `export default {
  output: 'standalone',
  serverExternalPackages: ['bge-m3-node'],
  outputFileTracingRoot: import.meta.dirname,
  outputFileTracingIncludes: { '/**': ['./node_modules/@bge-m3-node/**'] },
  turbopack: { root: import.meta.dirname },
}
`
const ROUTE = `${programs.module}
export const dynamic = 'force-dynamic'
export async function GET() {
  return Response.json(await main())
}
`
const LAYOUT = `export default function Layout({ children }) {
  return <html lang="en"><body>{children}</body></html>
}
`
const PAGE = `export default function Page() {
  return <p>bge-m3-node</p>
}
`

export async function nextStandalone({ app }) {
  app.install('next@16', 'react@19', 'react-dom@19')
  app.write('next.config.mjs', CONFIG)
  app.write('app/layout.jsx', LAYOUT)
  app.write('app/page.jsx', PAGE)
  app.write('app/embed/route.js', ROUTE)
  app.tool('next/dist/bin/next', ['build'], { NEXT_TELEMETRY_DISABLED: '1' })
  const moved = path.join(app.folder, '..', 'standalone')
  fs.cpSync(path.join(app.folder, '.next/standalone'), moved, {
    recursive: true,
    verbatimSymlinks: true,
  })
  fs.rmSync(path.join(app.folder, '.next'), { recursive: true })
  const port = await freePort()
  const child = app.start(path.join(moved, 'server.js'), {
    cwd: moved,
    env: { PORT: String(port), HOSTNAME: '127.0.0.1', NODE_ENV: 'production' },
  })
  try {
    return await ask(`http://127.0.0.1:${port}/embed`, child)
  } finally {
    child.kill()
  }
}

/** Asks until the server listens. */
async function ask(url, child) {
  const deadline = Date.now() + 60_000
  for (;;) {
    try {
      const response = await fetch(url)
      if (!response.ok) throw new Error(`HTTP ${response.status}: ${await response.text()}`)
      return await response.json()
    } catch (error) {
      const refused = error.cause?.code === 'ECONNREFUSED'
      if (!refused || child.exitCode !== null || Date.now() > deadline) throw error
      await sleep(100)
    }
  }
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}
