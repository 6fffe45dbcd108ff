// The database of the documentation's blocks: one for all, as it takes a second to start.
import { PGlite } from '@electric-sql/pglite'
import { vector } from '@electric-sql/pglite-pgvector'

export const db = await PGlite.create({ extensions: { vector } })
await db.exec(`
  CREATE EXTENSION vector;
  CREATE TABLE docs (
    id serial PRIMARY KEY, body text, embedding vector(64), weights sparsevec(250002), problem text
  );
  INSERT INTO docs (body) VALUES ('one text'), ('another');
`)
