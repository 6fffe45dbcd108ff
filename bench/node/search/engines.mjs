// Embedded engines for an index, each with the same 20,000 made-up chunks (1,024 dimensions, 150 lexical
// weights, 500 letters), each in a process of its own: insert, exact and approximate search, size on disk,
// kill -9 in the middle of inserting. The engines are installed beside, not with this package:
//   mkdir engines && cd engines && npm init -y && npm install --ignore-scripts @electric-sql/pglite@0.5.14 \
//     @electric-sql/pglite-pgvector libsql sqlite-vec node-sqlite3-wasm @lancedb/lancedb apache-arrow@18.1.0
//   node bench/node/engines.mjs --from engines [--rows 20000] [--only pglite]
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'

const { values: options } = parseArgs({
  options: {
    from: { type: 'string', default: '.' },
    rows: { type: 'string', default: '20000' },
    only: { type: 'string' },
    child: { type: 'string' },
    store: { type: 'string' },
  },
})
const ROWS = Number(options.rows)
const DIMENSIONS = 1024
const VOCABULARY = 250_002
const BATCH = 32
const require = createRequire(join(resolve(options.from), 'package.json'))
const load = (name) => import(pathToFileURL(require.resolve(name)).href)

/** Repeatable numbers in [0, 1). */
function randomOf(seed) {
  let state = seed * 2654435761 + 1
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Topics spread the vectors a little as real texts do: noise alone has no neighbours to be found. */
const topics = Array.from({ length: 200 }, (_, i) => noise(randomOf(1e6 + i)))
function noise(random) {
  return Float32Array.from({ length: DIMENSIONS }, () => random() + random() + random() - 1.5)
}
function chunk(id) {
  const random = randomOf(id)
  const topic = topics[Math.floor(random() * topics.length)]
  const dense = noise(random).map((x, i) => x + topic[i])
  const length = Math.hypot(...dense)
  const indices = new Set()
  while (indices.size < 150) indices.add(Math.floor(VOCABULARY * random() ** 4))
  const sparse = [...indices].sort((a, b) => a - b).map((index) => [index, random() * 0.3])
  return { id, text: 'x'.repeat(500), dense: dense.map((x) => x / length), sparse }
}

function lexical(table, offsets, indices, weights, rows) {
  const scores = new Float64Array(rows)
  for (let row = 0; row < rows; row++) {
    let sum = 0
    for (let i = offsets[row]; i < offsets[row + 1]; i++) sum += weights[i] * table[indices[i]]
    scores[row] = sum
  }
  return scores
}

const bytes = (dense) => new Uint8Array(dense.buffer, dense.byteOffset, dense.byteLength)
const sparseText = (sparse) => `{${sparse.map(([i, v]) => `${i + 1}:${v}`)}}/${VOCABULARY}`

/** What every SQLite does alike; `db` is better-sqlite3's interface. */
function sqlite(db, { vec }) {
  db.exec('CREATE TABLE IF NOT EXISTS chunks (id INTEGER PRIMARY KEY, text TEXT, dense BLOB)')
  // lexical weights as a table of their own: once is enough to see what that costs
  if (!vec)
    db.exec(
      `CREATE TABLE IF NOT EXISTS weights (token INTEGER, chunk INTEGER, weight REAL, PRIMARY KEY (token, chunk)) WITHOUT ROWID;`,
    )
  if (vec)
    db.exec(
      `CREATE VIRTUAL TABLE IF NOT EXISTS vec USING vec0(dense float[${DIMENSIONS}] distance_metric=cosine)`,
    )
  const insert = db.prepare('INSERT INTO chunks VALUES (?, ?, ?)')
  const weigh = vec ? undefined : db.prepare('INSERT INTO weights VALUES (?, ?, ?)')
  const add = vec && db.prepare('INSERT INTO vec(rowid, dense) VALUES (?, ?)')
  return {
    insert(chunks) {
      db.exec('BEGIN')
      for (const { id, text, dense, sparse } of chunks) {
        insert.run([id, text, vec ? null : bytes(dense)])
        if (vec) add.run([BigInt(id), bytes(dense)])
        if (weigh) for (const [token, weight] of sparse) weigh.run([token, id, weight])
      }
      db.exec('COMMIT')
    },
    count: () => db.prepare('SELECT count(*) AS n FROM chunks').get([]).n,
    sparse:
      weigh &&
      ((query, k) =>
        db
          .prepare(
            `SELECT w.chunk AS id, sum(w.weight * q.value ->> 1) AS score FROM json_each(?) q CROSS JOIN weights w ON w.token = q.value ->> 0 GROUP BY 1 ORDER BY 2 DESC LIMIT ${k}`,
          )
          .all([JSON.stringify(query)])
          .map(({ id }) => id)),
  }
}

const ENGINES = {
  async pglite(store) {
    const { PGlite } = await load('@electric-sql/pglite')
    const { vector } = await load('@electric-sql/pglite-pgvector')
    const db = await PGlite.create({ dataDir: store, extensions: { vector } })
    await db.exec(`CREATE EXTENSION IF NOT EXISTS vector; CREATE TABLE IF NOT EXISTS chunks (id int PRIMARY KEY,
      text text, dense vector(${DIMENSIONS}), sparse sparsevec(${VOCABULARY}))`)
    const ids = (result) => result.rows.map(({ id }) => id)
    const nearest = (column, order, value, k) =>
      db.query(`SELECT id FROM chunks ORDER BY ${column} ${order} LIMIT ${k}`, [value]).then(ids)
    return {
      async insert(chunks) {
        const values = chunks.map(
          (_, i) => `($${4 * i + 1}, $${4 * i + 2}, $${4 * i + 3}, $${4 * i + 4})`,
        )
        await db.query(
          `INSERT INTO chunks VALUES ${values}`,
          chunks.flatMap(({ id, text, dense, sparse }) => [
            id,
            text,
            `[${dense}]`,
            sparseText(sparse),
          ]),
        )
      },
      count: async () => (await db.query('SELECT count(*)::int AS n FROM chunks')).rows[0].n,
      dense: (query, k) => nearest('dense', '<=> $1::vector', `[${query}]`, k),
      sparse: (query, k) => nearest('sparse', '<#> $1::sparsevec', sparseText(query), k),
      async approximate() {
        await db.exec(
          'CREATE INDEX ON chunks USING hnsw (dense vector_cosine_ops); SET hnsw.ef_search = 100',
        )
      },
      close: () => db.close(),
    }
  },
  async libsql(store) {
    const { default: Database } = await load('libsql')
    const db = new Database(`${store}/index.db`)
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
    return {
      ...sqlite(db, { vec: false }),
      dense: (query, k) =>
        db
          .prepare(`SELECT id FROM chunks ORDER BY vector_distance_cos(dense, ?) LIMIT ${k}`)
          .all([bytes(query)])
          .map(({ id }) => id),
      close: () => db.close(),
    }
  },
  /** As bge-m3-node/search does it: SQLite keeps some hundred vectors to a row, our own kernels compare them. */
  async packed(store) {
    const { default: Database } = await load('libsql')
    const db = new Database(`${store}/index.db`)
    db.exec(`PRAGMA page_size = 16384; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
      CREATE TABLE IF NOT EXISTS segments (first INTEGER PRIMARY KEY, rows INTEGER, dense BLOB, offsets BLOB, indices BLOB, weights BLOB);
      CREATE TABLE IF NOT EXISTS chunks (id INTEGER PRIMARY KEY, text TEXT)`)
    const put = db.prepare('INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?)')
    const text = db.prepare('INSERT INTO chunks VALUES (?, ?)')
    const firsts = db.prepare('SELECT first, rows FROM segments ORDER BY first')
    const get = (column) => db.prepare(`SELECT ${column} FROM segments WHERE first = ?`)
    const dense = get('dense')
    const sparse = get('offsets, indices, weights')
    const best = (hits, k) => hits.sort((a, b) => b.score - a.score).slice(0, k)
    return {
      insert(chunks) {
        const flat = chunks.flatMap((c) => c.sparse)
        const offsets = new Uint32Array(chunks.length + 1)
        chunks.forEach((c, i) => {
          offsets[i + 1] = offsets[i] + c.sparse.length
        })
        const rows = new Float32Array(chunks.length * DIMENSIONS)
        chunks.forEach((c, i) => {
          rows.set(c.dense, i * DIMENSIONS)
        })
        const arrays = [
          rows,
          offsets,
          Uint32Array.from(flat, ([i]) => i),
          Float32Array.from(flat, ([, v]) => v),
        ]
        db.exec('BEGIN')
        put.run([chunks[0].id, chunks.length, ...arrays.map(bytes)])
        for (const c of chunks) text.run([c.id, c.text])
        db.exec('COMMIT')
      },
      count: () => db.prepare('SELECT count(*) AS n FROM chunks').all([])[0].n,
      dense(query, k) {
        let hits = []
        for (const { first, rows } of firsts.all([])) {
          const data = new Float32Array(dense.all([first])[0].dense)
          const found = scoring.topK(query, { data, rows, cols: DIMENSIONS }, k)
          hits = best(
            [...hits, ...found.map(({ index, score }) => ({ id: first + index, score }))],
            k,
          )
        }
        return hits.map(({ id }) => id)
      },
      sparse(query, k) {
        const table = new Float32Array(VOCABULARY)
        for (const [token, weight] of query) table[token] = weight
        let hits = []
        for (const { first, rows } of firsts.all([])) {
          const row = sparse.all([first])[0]
          const scores = lexical(
            table,
            new Uint32Array(row.offsets),
            new Uint32Array(row.indices),
            new Float32Array(row.weights),
            rows,
          )
          const found = scoring.topKScores(scores, k)
          hits = best(
            [...hits, ...found.map(({ index, score }) => ({ id: first + index, score }))],
            k,
          )
        }
        return hits.map(({ id }) => id)
      },
      close: () => db.close(),
    }
  },
  async 'sqlite-vec'(store) {
    const { default: Database } = await load('libsql')
    const db = new Database(`${store}/index.db`)
    const { getLoadablePath } = await load('sqlite-vec')
    db.loadExtension(getLoadablePath())
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
    return {
      ...sqlite(db, { vec: true }),
      dense: (query, k) =>
        db
          .prepare(`SELECT rowid AS id FROM vec WHERE dense MATCH ? ORDER BY distance LIMIT ${k}`)
          .all([bytes(query)])
          .map(({ id }) => id),
      close: () => db.close(),
    }
  },
  async wasm(store) {
    const {
      default: { Database },
    } = await load('node-sqlite3-wasm')
    const db = new Database(`${store}/index.db`)
    const table = sqlite(db, { vec: false })
    let matrix
    return {
      ...table,
      dense(query, k) {
        // no vectors in this engine: read them once and compare in JavaScript with our own kernels
        if (!matrix) {
          const rows = db.all('SELECT id, dense FROM chunks ORDER BY id')
          matrix = new Float32Array(rows.length * DIMENSIONS)
          rows.forEach(({ dense }, i) => {
            new Uint8Array(matrix.buffer).set(dense, i * 4 * DIMENSIONS)
          })
        }
        return scoring
          .topK(query, { data: matrix, rows: matrix.length / DIMENSIONS, cols: DIMENSIONS }, k)
          .map(({ index }) => index)
      },
      close: () => db.close(),
    }
  },
  async lancedb(store) {
    const lance = await load('@lancedb/lancedb')
    const db = await lance.connect(store)
    let table = (await db.tableNames()).includes('chunks')
      ? await db.openTable('chunks')
      : undefined
    return {
      async insert(chunks) {
        const rows = chunks.map(({ id, text, dense }) => ({ id, text, vector: Array.from(dense) }))
        if (table) await table.add(rows)
        else table = await db.createTable('chunks', rows)
      },
      count: () => table?.countRows() ?? 0,
      dense: async (query, k) =>
        (await table.search(query).distanceType('cosine').select(['id']).limit(k).toArray()).map(
          ({ id }) => id,
        ),
      async approximate() {
        await table.createIndex('vector', { config: lance.Index.ivfPq({ distanceType: 'cosine' }) })
      },
      close: () => db.close(),
    }
  },
}

let scoring
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1]
const since = (from) => performance.now() - from

if (options.child) await child(options.child, options.store)
else await parent()

async function child(name, store) {
  scoring = await import(new URL('../../../dist/scoring.js', import.meta.url).href)
  const opened = performance.now()
  const engine = await ENGINES[name](store)
  const have = await engine.count()
  const report = { open: since(opened), have }
  const started = performance.now()
  let busy = 0
  for (let from = have; from < ROWS; from += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, ROWS - from) }, (_, i) => chunk(from + i))
    const at = performance.now()
    await engine.insert(batch)
    busy += since(at)
    process.stdout.write(`committed ${from + batch.length}\n`)
  }
  report.insertSeconds = busy / 1000
  report.allSeconds = since(started) / 1000
  const queries = Array.from({ length: 21 }, (_, i) => chunk(1e7 + i))
  const run = async (search) => {
    const times = []
    const found = []
    for (const query of queries) {
      const at = performance.now()
      found.push(await search(query))
      times.push(since(at))
    }
    return { first: times[0], median: median(times), found }
  }
  const exact = await run((query) => engine.dense(query.dense, 10))
  report.dense = [exact.first, exact.median]
  if (engine.sparse) {
    const sparse = await run((query) => engine.sparse(query.sparse.slice(0, 12), 10))
    report.sparse = [sparse.first, sparse.median]
  }
  if (engine.approximate) {
    const at = performance.now()
    await engine.approximate()
    report.indexSeconds = since(at) / 1000
    const near = await run((query) => engine.dense(query.dense, 10))
    report.approximate = [near.first, near.median]
    let hits = 0
    near.found.forEach((ids, i) => {
      hits += ids.filter((id) => exact.found[i].includes(id)).length
    })
    report.recall = hits / (10 * queries.length)
  }
  report.rssMB = process.resourceUsage().maxRSS / 1024
  await engine.close()
  process.stdout.write(`report ${JSON.stringify(report)}\n`)
  process.exit(0)
}

/** Runs a child; kills it with -9 after so many committed rows. */
function start(name, store, killAfter) {
  const args = [
    import.meta.filename,
    '--child',
    name,
    '--store',
    store,
    '--from',
    options.from,
    '--rows',
    options.rows,
  ]
  const process_ = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', process.env.DEBUG ? 'inherit' : 'ignore'],
  })
  return new Promise((done) => {
    let committed = 0
    let report
    createInterface({ input: process_.stdout }).on('line', (line) => {
      const [word, rest] = [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]
      if (word === 'report') report = JSON.parse(rest)
      if (word === 'committed') committed = Number(rest)
      if (committed >= killAfter) process_.kill('SIGKILL')
    })
    process_.on('close', (code, signal) => done({ committed, report, code, signal }))
  })
}

async function parent() {
  for (const name of Object.keys(ENGINES)) {
    if (options.only && !options.only.split(',').includes(name)) continue
    const store = mkdtempSync(join(tmpdir(), `engines-${name}-`))
    try {
      const killed = await start(name, store, ROWS / 10)
      const { report, code } = await start(name, store, Number.POSITIVE_INFINITY)
      const size = Number(execFileSync('du', ['-sm', store], { encoding: 'utf8' }).split('\t')[0])
      const kept =
        report && `${report.have} of ${killed.committed} committed rows there after kill -9`
      console.log(
        name,
        report ? JSON.stringify({ ...report, diskMB: size }) : `failed (${code})`,
        kept,
      )
    } finally {
      rmSync(store, { recursive: true, force: true })
    }
  }
}
