import { optional } from '../../../common/optional.js'

/** What every server needs; named together, so that nobody has to install them one error at a time. */
const PACKAGES = ['fastify', '@fastify/swagger', '@fastify/swagger-ui', 'pino', 'prom-client']

/** A package that the server imports. @throws InvalidInputError that names all that it needs */
export function serverPackage<T>(name: string, load: () => Promise<T>): Promise<T> {
  return optional(name, 'bge-m3-node/server', load, PACKAGES.includes(name) ? PACKAGES : [name])
}
