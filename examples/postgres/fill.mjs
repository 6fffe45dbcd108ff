// Vectors for a table's rows, and a search: in PGlite, so nothing needs to be installed but
//   npm install @electric-sql/pglite @electric-sql/pglite-pgvector
// For a server give `loadTable` its connection string instead (npm install pg).
import { PGlite } from '@electric-sql/pglite'
import { vector } from '@electric-sql/pglite-pgvector'
import { Embedder } from 'bge-m3-node'
import { loadTable, vectorLiteral } from 'bge-m3-node/postgres'

const m3 = await Embedder.load() // BGE_M3_MODEL, or what `bge-m3 model pull` fetched
const db = await PGlite.create({ extensions: { vector } }) // a folder's name keeps it on disk
const { dimensions } = m3.info
await db.exec(`
  CREATE EXTENSION vector;
  CREATE TABLE notes (id serial PRIMARY KEY, body text, embedding vector(${dimensions}));
  INSERT INTO notes (body) VALUES
    ('The Rhine flows through Basel before it turns north.'),
    ('Bread is baked in an oven.'),
    ('Warsaw is the capital of Poland.');
`)

const { rows, tokens } = await loadTable(m3, db, {
  table: 'notes',
  columns: { id: 'id', text: 'body', dense: 'embedding' },
  index: true,
})
console.log(`${rows} rows, ${tokens} tokens`)

const { dense } = await m3.embed('Which river flows through Basel?')
const found = await db.query(
  'SELECT body, 1 - (embedding <=> $1::vector) AS score FROM notes ORDER BY embedding <=> $1::vector LIMIT 2',
  [vectorLiteral(dense)],
)
for (const { body, score } of found.rows) console.log(score.toFixed(4), body)

await db.close()
await m3.dispose()
