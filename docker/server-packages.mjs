// Prints name@version, as package-lock.json has it, of the optional packages that the server needs:
// they are peer dependencies of `bge-m3-node/server`, which npm does not install by itself.
import fs from 'node:fs'
import path from 'node:path'

const root = path.resolve(import.meta.dirname, '..')
const lock = JSON.parse(fs.readFileSync(path.join(root, 'package-lock.json'), 'utf8'))

/** Peers that `bge-m3 serve` loads; test/server/page/docker.test.ts compares this with its imports. */
export const SERVER_PACKAGES = [
  'fastify',
  '@fastify/cors',
  '@fastify/swagger',
  '@fastify/swagger-ui',
  'lmdb',
  'pino',
  'prom-client',
]

if (process.argv[1] === import.meta.filename) {
  const versions = SERVER_PACKAGES.map((name) => {
    const found = lock.packages[`node_modules/${name}`]
    if (!found) throw new Error(`package-lock.json has no ${name}`)
    return `${name}@${found.version}`
  })
  console.log(versions.join(' '))
}
