// A corpus through a queue on Redis into a table. Producer, worker and progress are in one program here; on
// many machines each is a program of its own, and there are as many workers as you like. It needs
//   npm install bullmq ioredis @electric-sql/pglite @electric-sql/pglite-pgvector
// and a Redis or Valkey (apt-get install redis-server) at REDIS_URL or on this machine.
import { PGlite } from '@electric-sql/pglite'
import { vector } from '@electric-sql/pglite-pgvector'
import { Embedder } from 'bge-m3-node'
import { PostgresStore } from 'bge-m3-node/postgres'
import { clearQueue, enqueue, runWorker, watchQueue } from 'bge-m3-node/queue'

const address = { redis: process.env.REDIS_URL ?? 'redis://localhost:6379', queue: 'example' }
await clearQueue(address).catch((error) => {
  console.error(`${error.message} Start a Redis, or name one by REDIS_URL.`)
  process.exit(1)
})

const m3 = await Embedder.load() // BGE_M3_MODEL, or what `bge-m3 model pull` fetched

// the producer: any iterable of { id, text, metadata? }, also one that is longer than memory
function* corpus() {
  for (let i = 1; i <= 200; i++)
    yield { id: `note-${i}`, text: `Note ${i} is about number ${i * i}.` }
}
const made = await enqueue(m3, corpus(), { ...address, jobTokens: 500 })
console.log(`${made.items} texts, ${made.tokens} tokens in ${made.jobs} jobs`)

// a worker: for a server give `PostgresStore.open` its connection string instead
const db = await PGlite.create({ extensions: { vector } })
await db.exec('CREATE EXTENSION vector')
const store = await PostgresStore.open(db, {
  table: 'notes',
  columns: { id: 'id', text: 'body', dense: 'embedding' },
  model: m3.info,
})
const working = runWorker(m3, { ...address, store, untilDone: true })

// the view of all workers
for await (const { items, rate, eta } of watchQueue(address)) {
  const left = eta === null ? '' : `, ${eta.toFixed(0)} s left`
  console.error(`${items.done} of ${items.total}, ${rate.tokens.toFixed(0)} tokens/s${left}`)
}
const { items, tokens } = await working
console.log(`${items} texts stored, ${tokens} tokens`)

const { rows } = await db.query('SELECT count(*)::int AS rows FROM notes')
console.log(`${rows[0].rows} rows in the table`)
await store.close()
await db.close()
await m3.dispose()
