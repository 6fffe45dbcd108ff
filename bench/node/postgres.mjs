// What filling a table costs beside plain `embed` of the same texts, in turn.
//   node bench/node/postgres.mjs [--model FILE] [--rows 48] [--rounds 3] [--url CONNECTION]   (PGlite without)
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
  },
})
const m3 = await Embedder.load({ model: benchModel(options.model), cache: false })
await m3.warmup()
const texts = loadParagraphs().slice(0, Number(options.rows))
const db = options.url
  ? new pg.Pool({ connectionString: options.url })
  : await PGlite.create({ extensions: { vector } })
const type = options.url ? 'float4[]' : `vector(${m3.info.dimensions})`
if (!options.url) await db.exec('CREATE EXTENSION vector')
await db.query(`CREATE TABLE bge_m3_bench (id int PRIMARY KEY, body text, dense ${type})`)
for (const [i, text] of texts.entries()) {
  await db.query('INSERT INTO bge_m3_bench VALUES ($1, $2)', [i, text])
}
const plain = []
const filled = []
try {
  for (let round = 0; round < Number(options.rounds); round++) {
    plain.push(await seconds(() => m3.embed(texts)))
    await db.query('UPDATE bge_m3_bench SET dense = NULL')
    const columns = { id: 'id', text: 'body', dense: 'dense' }
    filled.push(
      await seconds(() => loadTable(m3, db, { table: 'bge_m3_bench', columns, batchRows: 16 })),
    )
  }
} finally {
  await db.query('DROP TABLE bge_m3_bench')
  await (options.url ? db.end() : db.close())
  await m3.dispose()
}
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
console.log(
  `${texts.length} rows into ${options.url ? 'a server' : 'PGlite'}: ${median(filled).toFixed(2)} s, plain embed ` +
    `${median(plain).toFixed(2)} s: ${((100 * median(plain)) / median(filled)).toFixed(1)} % of its throughput ` +
    `(best with best ${((100 * Math.min(...plain)) / Math.min(...filled)).toFixed(1)} %)`,
)

async function seconds(run) {
  const from = performance.now()
  await run()
  return (performance.now() - from) / 1000
}
