// What filling a table costs beside plain `embed` of the same texts, in turn.
//   node bench/node/postgres.mjs [--model FILE] [--rows 48] [--rounds 3] [--batch 16]
//                                [--url CONNECTION [--delay MS]]   (PGlite without)
// --delay: a proxy holds up each piece that goes to the server, or comes from it, for half of it: a round trip takes
// so much longer.
import { connect, createServer } from 'node:net'
import { parseArgs } from 'node:util'
import { PGlite } from '@electric-sql/pglite'
import { vector } from '@electric-sql/pglite-pgvector'
import { Embedder } from 'bge-m3-node'
import { loadTable } from 'bge-m3-node/postgres'
import pg from 'pg'
import { benchModel } from '../race/model.mjs'
import { loadParagraphs } from './texts.mjs'

const { values: options } = parseArgs({
  options: {
    model: { type: 'string' },
    rows: { type: 'string', default: '48' },
    rounds: { type: 'string', default: '3' },
    url: { type: 'string' },
    batch: { type: 'string', default: '16' },
    delay: { type: 'string', default: '0' },
  },
})
const m3 = await Embedder.load({ model: benchModel(options.model), cache: false })
await m3.warmup()
const texts = loadParagraphs().slice(0, Number(options.rows))
const proxy = options.url && (await startProxy(new URL(options.url), Number(options.delay) / 2))
const db = options.url
  ? new pg.Pool({ connectionString: proxy.url })
  : await PGlite.create({ extensions: { vector } })
const type = options.url ? 'float4[]' : `vector(${m3.info.dimensions})`
if (!options.url) await db.exec('CREATE EXTENSION vector')
await db.query(`CREATE TABLE bge_m3_bench (id int PRIMARY KEY, body text, dense ${type})`)
for (const [i, text] of texts.entries()) {
  await db.query('INSERT INTO bge_m3_bench VALUES ($1, $2)', [i, text])
}
const batchRows = Number(options.batch)
const plain = []
const filled = []
try {
  for (let round = 0; round < Number(options.rounds); round++) {
    plain.push(await seconds(() => m3.embed(texts)))
    await db.query('UPDATE bge_m3_bench SET dense = NULL')
    const columns = { id: 'id', text: 'body', dense: 'dense' }
    filled.push(
      await seconds(() => loadTable(m3, db, { table: 'bge_m3_bench', columns, batchRows })),
    )
  }
} finally {
  await db.query('DROP TABLE bge_m3_bench')
  await (options.url ? db.end() : db.close())
  proxy?.server.close()
  await m3.dispose()
}
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
console.log(
  `${texts.length} rows into ${options.url ? `a server, ${options.delay} ms away` : 'PGlite'}: ${median(filled).toFixed(2)} s, plain embed ` +
    `${median(plain).toFixed(2)} s: ${((100 * median(plain)) / median(filled)).toFixed(1)} % of its throughput ` +
    `(best with best ${((100 * Math.min(...plain)) / Math.min(...filled)).toFixed(1)} %)`,
)

async function seconds(run) {
  const from = performance.now()
  await run()
  return (performance.now() - from) / 1000
}

function startProxy(to, halfMs) {
  const server = createServer((client) => {
    const upstream = connect(Number(to.port || 5432), to.hostname)
    for (const [from, into] of [
      [client, upstream],
      [upstream, client],
    ]) {
      from.setNoDelay(true)
      from.on('data', (data) => setTimeout(() => into.write(data), halfMs))
      from.on('error', () => into.destroy())
      from.on('close', () => into.destroy())
    }
  })
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const url = new URL(to)
      url.hostname = '127.0.0.1'
      url.port = String(server.address().port)
      resolve({ server, url: url.href })
    })
  })
}
