/** One interface over `pg` (a pool, or a connection string) and PGlite. */

import type { Pool, PoolClient } from 'pg'
import { InvalidInputError } from '../../../common/errors.js'
import { optional } from '../../../common/optional.js'
import { quoteIdentifier } from './sql.js'

export type Row = Record<string, unknown>

/** What statements are sent through. */
export interface Queryable {
  /** Runs one statement. */
  query(sql: string, parameters?: unknown[]): Promise<{ rows: Row[] }>
}

/** What we use of PGlite, `@electric-sql/pglite`. */
export interface PgliteLike extends Queryable {
  /** Commits what `run` resolves with, rolls back what it throws. */
  transaction<T>(run: (transaction: Queryable) => Promise<T>): Promise<T>
  /** Calls `hear` for each notice of a channel, until the end that it resolves with is called. */
  listen?(channel: string, hear: () => void): Promise<() => Promise<void>>
}

/** A connection string or a `pg.Pool` for a server, or an open PGlite database. */
export type PostgresTarget = string | Pool | PgliteLike

export interface Connection {
  query: Queryable['query']
  /** Commits what `run` resolves with, rolls back what it throws. */
  transaction<T>(run: (transaction: Queryable) => Promise<T>): Promise<T>
  /** Missing where nothing can be heard. @returns what ends it */
  listen?(channel: string, listener: Listener): Promise<() => void>
  /** Ends what we opened; a pool or database that was handed in stays open. */
  close(): Promise<void>
}

/** What hears the notices of a channel. */
export interface Listener {
  hear(): void
  /** It came to its end by itself: a connection that is lost. */
  end(): void
}

/** One claims, two write, one gives signs of life. */
const CONNECTIONS = 4
/** A network that swallows packets is an error, too. */
const LIVELY = {
  connectionTimeoutMillis: 10_000,
  keepAlive: true,
  keepAliveInitialDelayMillis: 10_000,
}

/** @throws InvalidInputError when `pg` is needed and not installed, or for what is no connection */
export async function connect(target: PostgresTarget): Promise<Connection> {
  if (typeof target === 'string') {
    const { default: pg } = await optional('pg', 'bge-m3-node/postgres', () => import('pg'))
    const pool = new pg.Pool({
      connectionString: target,
      max: CONNECTIONS,
      ...LIVELY,
    })
    // a pool says so when the server ends an idle connection; without a listener that ends the process
    pool.on('error', () => {})
    return poolConnection(pool, true)
  }
  if ('transaction' in Object(target)) return pgliteConnection(target as PgliteLike)
  const { connect } = Object(target) as Partial<Pool>
  if (typeof connect === 'function') return poolConnection(target as Pool, false)
  throw new InvalidInputError(
    'The connection must be a connection string, a pg.Pool, or a PGlite database.',
  )
}

function pgliteConnection(database: PgliteLike): Connection {
  return {
    query: (sql, parameters) => database.query(sql, parameters),
    transaction: (run) => database.transaction(run),
    ...(database.listen && {
      listen: async (channel, { hear }) => {
        const stop = await database.listen?.(channel, hear)
        return () => void stop?.().catch(() => {})
      },
    }),
    close: async () => {},
  }
}

function poolConnection(pool: Pool, own: boolean): Connection {
  return {
    query: (sql, parameters) => pool.query(sql, parameters),
    async transaction(run) {
      const client = await pool.connect()
      // as with the pool: the error comes to whoever waits for a statement
      const ignore = () => {}
      client.on('error', ignore)
      try {
        await client.query('BEGIN')
        const result = await run(client)
        await client.query('COMMIT')
        release(client, ignore)
        return result
      } catch (error) {
        const broken = await client.query('ROLLBACK').then(
          () => false,
          () => true,
        )
        release(client, ignore, broken)
        throw error
      }
    },
    listen: (channel, listener) => listenBeside(pool, channel, listener),
    close: () => (own ? pool.end() : Promise.resolve()),
  }
}

/** With a client of its own: one of a pool would be kept from others for weeks. */
async function listenBeside(
  { options }: Pool,
  channel: string,
  { hear, end }: Listener,
): Promise<() => void> {
  const { default: pg } = await optional('pg', 'bge-m3-node/postgres', () => import('pg'))
  const client = new pg.Client(options)
  client.on('error', end).on('end', end).on('notification', hear)
  const stop = () => void client.end().catch(() => {})
  try {
    await client.connect()
    await client.query(`LISTEN ${quoteIdentifier(channel)}`)
    return stop
  } catch (error) {
    stop()
    throw error
  }
}

function release(client: PoolClient, listener: () => void, broken = false): void {
  client.off('error', listener)
  client.release(broken)
}
