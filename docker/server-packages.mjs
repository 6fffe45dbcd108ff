// Prints package.json with the optional packages that the server needs as plain dependencies: they are
// peers of `bge-m3-node/server` and packages for tests, and `npm install --omit=dev` leaves both out.
// Versions stay those of package-lock.json.
import fs from 'node:fs'
import path from 'node:path'

const root = path.resolve(import.meta.dirname, '..')

/** Peers that `bge-m3 serve` loads; test/docker compares this with the server's imports. */
const SERVER_PACKAGES = [
  'fastify',
  '@fastify/compress',
  '@fastify/cors',
  '@fastify/swagger',
  '@fastify/swagger-ui',
  '@opentelemetry/api',
  'pino',
  'prom-client',
]

const manifest = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'))
for (const name of SERVER_PACKAGES) {
  const range = manifest.devDependencies[name]
  if (!range) throw new Error(`package.json has no ${name}`)
  manifest.dependencies[name] = range
  delete manifest.devDependencies[name]
}
console.log(JSON.stringify(manifest, null, 2))
