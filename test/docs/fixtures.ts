/** What a block may name in `<!-- with: ... -->`: things that its reader has and the page does not repeat. */
import fs from 'node:fs'
import path from 'node:path'

interface Fixture {
  /** TypeScript before the block. */
  code: string
  needs?: string[]
  /** After it, whatever happened. */
  after?: string
}

const NAMES: Record<string, Fixture> = {
  Embedder: { code: `import { Embedder } from 'bge-m3-node'` },
  m3: {
    code: `import { Embedder as Embedder$ } from 'bge-m3-node'\nconst m3 = await Embedder$.load()`,
    after: 'await m3.dispose()',
  },
  reranker: {
    code: `import { Reranker as Reranker$ } from 'bge-m3-node'
import { createStandin as createStandin$ } from 'bge-m3-node/model'
await createStandin$({ output: 'reranker.gguf', size: 'tiny', arch: 'bge-reranker', vocabSize: 8000 })
const reranker = await Reranker$.load({ model: 'reranker.gguf' })`,
    after: 'await reranker.dispose()',
  },
  text: { code: `const text = 'The Rhine flows through Basel. '.repeat(400)` },
  texts: {
    code: `const texts = ['The Rhine flows through Basel.', 'Bread is baked in an oven.', 'Warsaw is the capital of Poland.']`,
  },
  chunks: {
    code: `const chunks = Array.from({ length: 12 }, (_, i) => ({ id: 'chunk-' + i, text: 'The text of chunk ' + i + '.' }))`,
  },
  vectors: {
    code: `const vectors = (await m3.embed(texts)).map((e) => e.dense ?? new Float32Array())`,
    needs: ['m3', 'texts'],
  },
  /** Async iterable of `{ id, text }`. */
  rows: {
    code: `async function* rows$() { for (let i = 0; i < 20; i++) yield { id: 'row-' + i, text: 'Text ' + i } }\nconst rows = rows$()`,
  },
  store: {
    code: `const store = async (id = '', embedding = {}) => { if (!id || !embedding) throw new Error('nothing to store') }`,
  },
  result: { code: `const result = await m3.embedChunks(chunks)`, needs: ['m3', 'chunks'] },
  controller: { code: `const controller = new AbortController()` },
  /** A PGlite database with a table `docs` of two rows. */
  db: {
    code: `import { db } from ${JSON.stringify(path.join(import.meta.dirname, 'database.mjs'))}`,
  },
}

/** What goes before and after a block's code. @throws Error for a name that is not here */
export function surround(names: readonly string[]): { before: string; after: string } {
  const order: string[] = []
  const visit = (name: string) => {
    if (order.includes(name)) return
    const fixture = NAMES[name]
    if (!fixture) throw new Error(`there is no fixture ${name}`)
    fixture.needs?.forEach(visit)
    order.push(name)
  }
  names.forEach(visit)
  return {
    before: order.map((name) => NAMES[name]?.code).join('\n'),
    after: order
      .toReversed()
      .flatMap((name) => NAMES[name]?.after ?? [])
      .join('\n'),
  }
}

const LINES = ['The Rhine flows through Basel.', 'Bread is baked in an oven.', 'A third text.']

/** The files that commands of the documentation read. */
export function writeFiles(folder: string): void {
  const put = (name: string, text: string) => {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true })
    fs.writeFileSync(path.join(folder, name), text)
  }
  const jsonl = (rows: unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('')
  put(
    'app.mjs',
    "import { cosine } from 'bge-m3-node/scoring'\nconsole.log(cosine([1, 0], [1, 1]))\n",
  )
  put('texts.txt', LINES.map((line) => `${line}\n`).join(''))
  put(
    'texts.jsonl',
    jsonl([{ id: 'a', text: LINES[0] }, { id: 'b', text: 42 }, { text: LINES[1] }]),
  )
  const corpus = Array.from({ length: 60 }, (_, i) => ({
    _id: `d${i}`,
    title: `Number ${i}`,
    text: `The number ${i} is followed by ${i + 1}.`,
  }))
  put('corpus.jsonl', jsonl(corpus))
  put('queries.jsonl', jsonl([{ _id: 'q1', text: 'Which number follows 6?' }]))
  put('qrels/test.tsv', 'query-id\tcorpus-id\tscore\nq1\td6\t1\n')
  put(
    'sts.tsv',
    'sentence1\tsentence2\tscore\nA cat sleeps.\tA cat is asleep.\t4.8\nA cat sleeps.\tBread is baked.\t0.2\nRain falls.\tIt rains.\t4.5\n',
  )
}
