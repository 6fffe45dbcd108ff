import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  accuracyAt,
  averagePrecisionAt,
  ndcgAt,
  precisionAt,
  recallAt,
  reciprocalRankAt,
  spearman,
} from '../../../lib/exports/quality.js'
import { computeScore, Embedder, Reranker } from '../../../lib/index.js'
import { root } from '../../helpers/child.js'
import { standinPath, tinyPath } from '../../helpers/standins.js'
import { paragraphs } from '../../helpers/texts.js'
import { writeHeadless } from './headless.js'
import { cli, interruptible } from './run.js'

let model: string
let directory: string
let headless: string
beforeAll(async () => {
  model = await tinyPath()
  directory = await mkdtemp(path.join(tmpdir(), 'bge-m3-evaluate-'))
  headless = path.join(directory, 'headless.gguf')
  await writeHeadless(model, headless)
})
afterAll(() => rm(directory, { recursive: true }))

const evaluate = (args: string[], options?: Parameters<typeof cli>[1]) =>
  cli(['evaluate', '--model', model, ...args], options)

const jsonl = (records: readonly object[]) =>
  `${records.map((record) => JSON.stringify(record)).join('\n')}\n`

async function file(name: string, content: string): Promise<string> {
  const target = path.join(directory, name)
  await writeFile(target, content)
  return target
}

const corpus = paragraphs('en')
  .slice(0, 30)
  .map(({ id, text }, i) => ({ _id: id, title: `Title ${i}`, text: text.slice(0, 300) }))
const queries = paragraphs('en')
  .slice(0, 30)
  .map(({ id, questions }) => ({ _id: `q-${id}`, text: questions[0] as string }))
const qrels = queries.map(({ _id }, i) => `${_id}\t${corpus[i]?._id}\t${1 + (i % 2)}`)

async function beir(
  name: string,
  parts: { corpus?: string; queries?: string; qrels?: string } = {},
): Promise<string[]> {
  const files = {
    corpus: await file(`${name}-corpus.jsonl`, parts.corpus ?? jsonl(corpus)),
    // one without judgements, as in BEIR's files of several splits
    queries: await file(
      `${name}-queries.jsonl`,
      parts.queries ?? jsonl([...queries, { _id: 'other', text: 'not judged' }]),
    ),
    qrels: await file(
      `${name}-qrels.tsv`,
      parts.qrels ?? ['query-id\tcorpus-id\tscore', ...qrels, ''].join('\n'),
    ),
  }
  return ['--corpus', files.corpus, '--queries', files.queries, '--qrels', files.qrels]
}

const MODES = {
  dense: 'dense',
  sparse: 'sparse',
  colbert: 'colbert',
  hybrid: 'colbert+sparse+dense',
} as const

describe('evaluate: retrieval', () => {
  it("gives the library's scores and measures as JSON, with intervals", async () => {
    const args = await beir('plain')
    const { code, stdout, stderr } = await evaluate([...args, '--json', '--weights', '0.4,0.2,0.4'])
    expect(stderr).toContain('is a stand-in')
    expect(code).toBe(0)
    const report = JSON.parse(stdout)

    const m3 = await Embedder.load({ model })
    const outputs = { dense: true, sparse: true, colbert: true }
    const texts = [
      ...queries.map(({ text }) => text),
      ...corpus.map(({ title, text }) => `${title} ${text}`),
    ]
    const embeddings = await m3.embed(texts, { outputs })
    const { fingerprint } = m3.info
    await m3.dispose()
    const found = embeddings.slice(queries.length)
    const idOf = (number: number) => corpus[number]?._id as string
    for (const [mode, score] of Object.entries(MODES)) {
      const rankings = embeddings.slice(0, queries.length).map((query) =>
        found
          .map((document, number) => ({
            number,
            score: computeScore(query, document, { weights: [0.4, 0.2, 0.4] })[score] as number,
          }))
          .filter((hit) => mode !== 'sparse' || hit.score > 0)
          // as trec_eval: of equal scores the larger id
          .sort((a, b) => b.score - a.score || (idOf(a.number) < idOf(b.number) ? 1 : -1))
          .map(({ number }) => number),
      )
      const mean = (measure: typeof recallAt, k: number) =>
        rankings.reduce(
          (sum, ranking, i) => sum + measure(ranking, new Map([[i, 1 + (i % 2)]]), k),
          0,
        ) / rankings.length
      expect(report[mode], mode).toEqual({
        'accuracy@1': expect.closeTo(mean(accuracyAt, 1), 6),
        'accuracy@10': expect.closeTo(mean(accuracyAt, 10), 6),
        'precision@10': expect.closeTo(mean(precisionAt, 10), 6),
        'map@100': expect.closeTo(mean(averagePrecisionAt, 100), 6),
        'recall@1': expect.closeTo(mean(recallAt, 1), 6),
        'recall@10': expect.closeTo(mean(recallAt, 10), 6),
        'recall@100': expect.closeTo(mean(recallAt, 100), 6),
        'ndcg@10': expect.closeTo(mean(ndcgAt, 10), 6),
        'mrr@10': expect.closeTo(mean(reciprocalRankAt, 10), 6),
      })
      const [low, high] = report.ci[mode]['ndcg@10']
      expect(low).toBeLessThan(report[mode]['ndcg@10'])
      expect(high).toBeGreaterThan(report[mode]['ndcg@10'])
    }
    expect(report).toMatchObject({
      model,
      fingerprint,
      corpus: { documents: 30, failures: 0 },
      queries: { evaluated: 30, withoutRelevant: 0, failures: 0 },
      rerank: 100,
      weights: [0.4, 0.2, 0.4],
      bootstrap: { samples: 1000, seed: 0, confidence: 0.95 },
      notes: [],
    })
    const again = JSON.parse((await evaluate([...args, '--json', '-w', '0.4,0.2,0.4'])).stdout)
    expect({ ...again, seconds: 0 }).toEqual({ ...report, seconds: 0 })
  })

  it('finds a query that is a document, and not with --exclude-self', async () => {
    const texts = corpus.map(({ title, text }) => `${title} ${text}`)
    const own = jsonl(corpus.map(({ _id }, i) => ({ _id, text: texts[i] })))
    const ids = corpus.map(({ _id }) => _id)
    const args = await beir('own', {
      queries: own,
      qrels: ids.map((id) => `${id}\t${id}\t1`).join('\n'),
    })
    const report = JSON.parse((await evaluate([...args, '--json'])).stdout)
    // a lexical score is highest with the heaviest document, not with the query itself
    for (const mode of ['dense', 'colbert']) {
      expect(report[mode], mode).toMatchObject({ 'recall@1': 1, 'ndcg@10': 1, 'mrr@10': 1 })
    }
    const next = await beir('next', {
      queries: own,
      qrels: ids
        .flatMap((id, i) => [`${id}\t${id}\t1`, `${id}\t${ids[(i + 1) % 30]}\t1`])
        .join('\n'),
    })
    const excluded = JSON.parse((await evaluate([...next, '--json', '--exclude-self'])).stdout)
    expect(excluded.dense['recall@1']).toBeLessThan(0.5)
    expect(excluded.queries.evaluated).toBe(30)
  })

  it('prints a table for people', async () => {
    const { stdout } = await evaluate(await beir('table'))
    const lines = stdout.trimEnd().split('\n')
    expect(lines[0]).toMatch(/^ +recall@1 +recall@10 +recall@100 +ndcg@10 +mrr@10$/)
    expect(
      lines.filter((line) => /^(dense|sparse|colbert|hybrid)( +\d\.\d{4}){5}$/.test(line)),
    ).toHaveLength(4)
    expect(lines.filter((line) => /^( +\d\.\d{3}-\d\.\d{3}){5}$/.test(line))).toHaveLength(4)
    expect(lines.at(-1)).toBe(
      '30 queries, 30 documents; colbert and hybrid rerank the best 100; ranges are 95 % bootstrap intervals',
    )
  })

  it('leaves ColBERT out on request, and has dense alone without heads', async () => {
    const args = await beir('modes')
    const without = JSON.parse((await evaluate([...args, '--json', '--no-colbert'])).stdout)
    expect(Object.keys(without).slice(0, 4)).toEqual(['dense', 'sparse', 'hybrid', 'ci'])
    expect(without).not.toHaveProperty('rerank')
    const alone = await cli(['evaluate', '--model', headless, ...args, '--json'])
    expect(alone.stderr).toContain('has no heads')
    const report = JSON.parse(alone.stdout)
    expect(report.dense).toEqual(without.dense)
    for (const mode of ['sparse', 'colbert', 'hybrid']) expect(report).not.toHaveProperty(mode)
  })

  it('reranks fewer when told', async () => {
    const args = await beir('rerank')
    const report = JSON.parse((await evaluate([...args, '--json', '--candidates', '1'])).stdout)
    expect(report.colbert['recall@1']).toBe(report.colbert['recall@100'])
    expect(report.rerank).toBe(1)
    expect((await evaluate([...args, '--candidates', '0'])).code).toBe(2)
  })

  it('tells what a re-ranker brings', async () => {
    const args = await beir('reranker')
    const file = await standinPath({ size: 'tiny', arch: 'bge-reranker', vocabSize: 8000 })
    const asked = [...args, '--json', '--rerank', file, '--candidates', '30']
    const report = JSON.parse((await evaluate(asked)).stdout)
    const before = JSON.parse((await evaluate([...args, '--json'])).stdout)
    for (const mode of ['dense', 'sparse']) expect(report[mode]).toEqual(before[mode])
    expect(before).not.toHaveProperty('reranker')

    // all documents are candidates: the re-ranker itself, over all of them
    const texts = corpus.map(({ title, text }) => `${title} ${text}`)
    const reranker = await Reranker.load({ model: file })
    try {
      const values = await Promise.all(
        queries.map(async ({ text }, i) => {
          const grades = new Map([[corpus[i]?._id as string, 1 + (i % 2)]])
          const ranked = await reranker.rerank(text, texts)
          return ndcgAt(
            ranked.map(({ index }) => corpus[index]?._id as string),
            grades,
            10,
          )
        }),
      )
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length
      expect(report.reranker['ndcg@10']).toBeCloseTo(mean, 6)
    } finally {
      await reranker.dispose()
    }
    // without lexical weights candidates are the best by dense: here all, too
    const alone = await cli(['evaluate', '--model', headless, ...asked])
    const dense = JSON.parse(alone.stdout)
    expect(dense.reranker).toEqual(report.reranker)
    expect(dense.rerank).toBe(30)
    const table = (await evaluate([...args, '--rerank', file])).stdout
    expect(table).toMatch(/^reranker( +\d\.\d{4}){5}$/m)
    expect(table).toContain('colbert and hybrid and reranker rerank the best 100')
    expect((await cli(['evaluate', '--sts', 'x.tsv', '--rerank', file])).code).toBe(2)
  })

  it('counts what is too long, and exits with 1', async () => {
    const long = 'word '.repeat(400)
    const args = await beir('long', {
      corpus: jsonl([...corpus, { _id: 'long', text: long }]),
      queries: jsonl([...queries, { _id: 'q-long', text: long }]),
      qrels: [...qrels, `${queries[0]?._id}\tlong\t1`, `q-long\t${corpus[0]?._id}\t1`].join('\n'),
    })
    const result = await evaluate([...args, '--json', '--max-tokens', '400'])
    expect(result.code).toBe(1)
    expect(JSON.parse(result.stdout)).toMatchObject({
      corpus: { documents: 31, failures: 1 },
      queries: { evaluated: 30, failures: 1 },
      notes: ['1 documents failed and cannot be found.', '1 queries failed and are left out.'],
    })
    const cut = await evaluate([...args, '--json', '--max-tokens', '400', '--truncate'])
    expect(cut.code).toBe(0)
    const none = await evaluate([...args, '--json', '--max-tokens', '3'])
    expect(none.code).toBe(1)
    expect(JSON.parse(none.stdout).error.code).toBe('INPUT_TOO_LONG')
  })

  it.each([
    [
      'an unknown document',
      { qrels: `${qrels[0]}\nq-en-1\tnope\t1` },
      /1 of 2 documents .* line 2/,
    ],
    ['an unknown query', { qrels: `${qrels[0]}\nnope\ten-1\t1` }, /1 of 2 queries .* line 2/],
    ['only unknown queries', { qrels: 'a\ten-1\t1' }, /None of the queries/],
    ['only unknown documents', { qrels: 'q-en-1\ta\t1' }, /None of the documents/],
    ['nothing relevant', { qrels: 'q-en-1\ten-1\t0' }, /No relevance judgement is above zero/],
    ['no grade', { qrels: 'q-en-1\ten-1\tgood' }, /Line 1 .* not a number/],
    ['a broken corpus', { corpus: '{"_id": "en-0", "text": "x"}\n{' }, /Line 2 of the corpus/],
    ['no text', { queries: '{"_id": "q-en-1"}' }, /Line 1 of the queries has no "text"/],
    [
      'documents of one id',
      { corpus: '{"_id":"en-0","text":"a"}\n{"_id":"en-0","text":"b"}' },
      /Document 2 .* came before/,
    ],
    [
      'queries of one id',
      { queries: '{"_id":"q-en-1","text":"a"}\n{"_id":"q-en-1","text":"b"}' },
      /Query 2 .* came before/,
    ],
    ['an empty corpus', { corpus: '\n' }, /corpus is empty/],
  ])('refuses %s before the model is read', async (_, parts, message) => {
    const args = await beir('bad', parts)
    const { code, stdout, stderr } = await cli([
      'evaluate', '--model', '/no/such/model.gguf', '--json', ...args,
    ]) // biome-ignore format: one line
    expect(stderr).toMatch(message)
    expect(code).toBe(2)
    expect(JSON.parse(stdout).error.code).toBe('INVALID_INPUT')
  })

  it('skips unknown ids and unanswerable queries on request, and says so', async () => {
    const args = await beir('skip', {
      qrels: [...qrels.slice(0, 10), 'q-en-20\tnope\t1', 'nope\ten-1\t1', 'q-en-21\ten-1\t-1'].join(
        '\n',
      ),
    })
    const report = JSON.parse((await evaluate([...args, '--json', '--ignore-unknown'])).stdout)
    // as trec_eval: what is judged counts, though it cannot be found
    expect(report.queries).toEqual({ evaluated: 12, withoutRelevant: 2, failures: 0 })
    expect(report.notes).toEqual([
      '1 judgements below zero count as not relevant.',
      '1 of 13 queries in the relevance judgements are not there.',
      '1 of 11 documents in the relevance judgements are not there.',
      '2 queries without a relevant document in the corpus count as 0.',
    ])
    const none = await beir('none', {
      qrels: [`${queries[0]?._id}\tnope\t1`, `${queries[0]?._id}\ten-0\t0`].join('\n'),
    })
    const { code, stderr } = await evaluate([...none, '--ignore-unknown'])
    expect(stderr).toContain('No query has a relevant document')
    expect(code).toBe(2)
  })

  it('refuses options that do not fit each other, and files that are not there', async () => {
    const args = await beir('usage')
    for (const [flags, message] of [
      [[], /nothing to evaluate/],
      [args.slice(0, 4), /go together/],
      [[...args, '--save'], /--save does not go with an evaluation/],
      [[...args, '--golden', 'x', '--input', 'y'], /--corpus does not go with --golden/],
      [[...args, '--weights', '1,2'], /three numbers/],
      [['--golden', 'x'], /needs --input/],
      [['--golden', 'x', '--input', 'y', '--tolerance', 'z'], /--tolerance must be/],
      [['--golden', '/no/golden', '--input', 'y'], /Cannot read the golden set/],
      [[...args.slice(0, 4), '--qrels', '/no/qrels'], /Cannot open \(ENOENT\)/],
      [[...args.slice(0, 4), '--qrels', directory], /is a directory/],
      [[...args.slice(2), '--corpus', '/no/corpus'], /There is no file/],
      [['--sts', '/no/sts'], /Cannot open \(ENOENT\)/],
    ] as [string[], RegExp][]) {
      const { code, stderr } = await evaluate(flags)
      expect(stderr).toMatch(message)
      expect(code).toBe(2)
    }
  })

  it('ends with 130 when interrupted', async () => {
    const { signal, interrupt } = interruptible()
    interrupt()
    const { code } = await evaluate(await beir('interrupted'), { signal })
    expect(code).toBe(130)
  })

  it('shows progress on a terminal, on stderr', async () => {
    const { stderr, stdout } = await evaluate([...(await beir('bar')), '--json'], {
      tty: { stderr: true },
    })
    expect(stderr).toMatch(/queries \[=*/)
    expect(stderr).toMatch(/corpus \[=*/)
    expect(stderr).toMatch(/colbert \[=*/)
    expect(() => JSON.parse(stdout)).not.toThrow()
  })
})

describe('evaluate: XQuAD in four languages', () => {
  const script = path.join(root, 'scripts/xquad-beir.mjs')
  const make = (name: string, ...args: string[]) => {
    const target = path.join(directory, name)
    const said = execFileSync(process.execPath, [script, target, ...args], { encoding: 'utf8' })
    return { target, said }
  }

  it('is made from the fixtures, each question with the paragraphs that answer it', async () => {
    const { target, said } = make('xquad', '--corpus', 'de,zh', '--queries', 'en,de', '--all')
    expect(said).toContain('480 documents, 1422 queries, 2844 judgements')
    const rows = (await readFile(path.join(target, 'qrels/test.tsv'), 'utf8')).trim().split('\n')
    expect(rows[0]).toBe('query-id\tcorpus-id\tscore')
    const byQuery = rows.filter((row) => row.startsWith('en-3-q0\t'))
    expect(byQuery).toEqual(['en-3-q0\tde-3\t1', 'en-3-q0\tzh-3\t1'])
    expect(() => make('none', '--corpus', 'xx')).toThrow()
    expect(existsSync(path.join(directory, 'none'))).toBe(false)
  })

  it('is evaluated, above chance even by random weights', async () => {
    const { target } = make('xquad-en', '--corpus', 'en', '--queries', 'en')
    const files = { corpus: 'corpus.jsonl', queries: 'queries.jsonl', qrels: 'qrels/test.tsv' }
    const args = Object.entries(files).flatMap(([n, f]) => [`--${n}`, path.join(target, f)])
    const { code, stdout } = await evaluate([...args, '--json', '--no-colbert'])
    expect(code).toBe(0)
    const report = JSON.parse(stdout)
    expect(report).toMatchObject({
      corpus: { documents: 240 },
      queries: { evaluated: 711 },
    })
    // chance is 10 of 240; names and rare words are enough for better
    expect(report.sparse['recall@10']).toBeGreaterThan(0.15)
  })
})

describe('evaluate: similarity', () => {
  // long enough for random weights to find words in common
  const some = paragraphs('en').slice(0, 8)
  const pairs = some.map(({ text }, i) => {
    const other = some[i % 2 === 0 ? i : (i + 3) % 8]?.text as string
    return [
      text.slice(0, 150 + 10 * i),
      other.slice(i, 250),
      i % 2 === 0 ? 5 - i / 9 : i / 9,
    ] as const
  })
  const rows = pairs.map(([a, b, score]) => `${a}\t${b}\t${score}`)

  it.each([
    ['three columns', rows.join('\n')],
    [
      'columns in any order',
      [
        'genre\tscore\tsentence2\tsentence1',
        ...pairs.map(([a, b, s]) => `x\t${s}\t${b}\t${a}`),
      ].join('\r\n'),
    ],
    [
      'JSON Lines',
      jsonl(pairs.map(([sentence1, sentence2, score]) => ({ sentence1, sentence2, score }))),
    ],
  ])('reads %s', async (_, content) => {
    const sts = await file('pairs.sts', content)
    const { code, stdout } = await evaluate(['--sts', sts, '--json'])
    expect(code).toBe(0)
    const report = JSON.parse(stdout)
    const m3 = await Embedder.load({ model })
    const outputs = { dense: true, sparse: true, colbert: true }
    const scores = await Promise.all(
      pairs.map(async ([a, b]) =>
        computeScore(await m3.embed(a, { outputs }), await m3.embed(b, { outputs })),
      ),
    )
    await m3.dispose()
    for (const [mode, score] of Object.entries(MODES)) {
      const expected = spearman(
        scores.map((pair) => (pair as Record<string, number>)[score] as number),
        pairs.map(([, , s]) => s),
      )
      expect(report[mode].spearman, mode).toBeCloseTo(expected as number, 6)
      expect(report.ci[mode].spearman).toHaveLength(2)
    }
    expect(report).toMatchObject({ sts: { pairs: 8, failures: 0 } })
  })

  it('goes with retrieval in one report', async () => {
    const sts = await file('both.tsv', rows.join('\n'))
    const { stdout } = await evaluate([...(await beir('both')), '--sts', sts])
    expect(stdout).toMatch(/^ +recall@1 .* mrr@10 +spearman +pearson$/m)
    expect(stdout).toContain('30 queries, 30 documents')
    expect(stdout).toContain('8 pairs')
  })

  it('leaves out pairs that are too long', async () => {
    const sts = await file('long.tsv', [...rows, `${'word '.repeat(250)}\tshort\t3`].join('\n'))
    const result = await evaluate(['--sts', sts, '--json', '--max-tokens', '200'])
    expect(result.code).toBe(1)
    expect(JSON.parse(result.stdout).sts).toEqual({ pairs: 8, failures: 1 })
    const none = await evaluate(['--sts', sts, '--json', '--max-tokens', '3'])
    expect(JSON.parse(none.stdout).error.code).toBe('INPUT_TOO_LONG')
  })

  it.each([
    ['a\tb', /Line 1 of the sentence pairs has 2 columns/],
    ['a\tb\tx', /Line 1 .* score that is not a number/],
    ['sentence1\tsentence2\tscore\na\tb\t', /Line 2 .* score that is not a number/],
    ['score\tsentence1\tsentence2\n1\ta', /Line 2 .* fewer columns/],
    ['{"sentence1": "a", "sentence2": "b", "score": 1}\n{', /Line 2 .* not valid JSON/],
    ['{"sentence1": "a"}', /Line 1 .* no "sentence1" and "sentence2"/],
    ['{"sentence1": "a", "sentence2": "b", "score": "1"}', /Line 1 .* no "score"/],
    ['a\tb\t1', /at least two pairs/],
    ['', /at least two pairs/],
  ])('refuses %j', async (content, message) => {
    const { code, stderr } = await evaluate(['--sts', await file('bad.sts', content)])
    expect(stderr).toMatch(message)
    expect(code).toBe(2)
  })
})

describe('evaluate: golden sets', () => {
  const texts = [
    { id: 'a', text: 'What is BGE M3?' },
    { id: 'b', text: 'Paris is the capital of France.' },
    { id: 3, text: '' },
  ]

  it('saves, and passes for the same model', async () => {
    const input = await file('texts.jsonl', jsonl(texts))
    const golden = path.join(directory, 'golden.json')
    const saved = await evaluate(['--golden', golden, '--input', input, '--save'])
    expect(saved).toMatchObject({ code: 0, stdout: '' })
    expect(saved.stderr).toContain('saved the embeddings of 3 texts')
    const content = await readFile(golden, 'utf8')
    expect(content).not.toContain('Paris')
    expect(JSON.parse(content).items.map(({ id }: { id: string }) => id)).toEqual(['a', 'b', '3'])

    const { code, stdout } = await evaluate(['--golden', golden, '--input', input])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^dense +3 +3 +0\.00e\+0 +0\.00e\+0 +0$/m)
    expect(stdout).toMatch(/^sparse +3 /m)
    expect(stdout).not.toMatch(/^colbert/m)
    expect(stdout).toMatch(/fingerprint is the same\npassed\n$/)
  })

  it('keeps ColBERT when told, and prints JSON', async () => {
    const input = await file('texts.jsonl', jsonl(texts))
    const golden = path.join(directory, 'colbert.json')
    const args = ['--golden', golden, '--input', input, '--json']
    const saved = await evaluate([...args, '--save', '--colbert', '--tolerance', '0.01'])
    expect(JSON.parse(saved.stdout)).toMatchObject({ saved: { file: golden, items: 3 } })
    const { stdout } = await evaluate(args)
    expect(JSON.parse(stdout)).toMatchObject({
      golden: {
        passed: true,
        tolerance: 0.01,
        outputs: { colbert: { compared: 3, identical: 3, failed: 0 } },
      },
    })
  })

  it('fails for another model, other texts and missing ones, and says which', async () => {
    const input = await file('texts.jsonl', jsonl(texts))
    const golden = path.join(directory, 'changed.json')
    await evaluate(['--golden', golden, '--input', input, '--save'])
    const other = await standinPath({ size: 'tiny', seed: 2 })
    const foreign = await cli(['evaluate', '--model', other, '--golden', golden, '--input', input])
    expect(foreign.code).toBe(1)
    expect(foreign.stdout).toMatch(/fingerprint is another\nFAILED\n$/)

    const changed = await file(
      'changed.jsonl',
      jsonl([
        { id: 'a', text: 'Something else' },
        { id: 'b', text: texts[1]?.text },
        { id: 'new', text: 'x' },
      ]),
    )
    const result = await evaluate(['--golden', golden, '--input', changed])
    expect(result.code).toBe(1)
    expect(result.stdout).toContain('missing or failed: "3"')
    expect(result.stdout).toContain('of another text: "a"')
    expect(result.stdout).toContain('not in the golden set: "new"')
    // what only the golden set has, fails
    const dense = await cli(['evaluate', '--model', headless, '--golden', golden, '--input', input])
    expect(dense.code).toBe(1)
    expect(dense.stdout).toMatch(/^sparse +3 +0 .* 3$/m)
  })

  it('saves nothing when a text fails, and refuses texts it cannot tell apart', async () => {
    const golden = path.join(directory, 'never.json')
    const long = await file('long.jsonl', jsonl([...texts, { id: 'l', text: 'word '.repeat(50) }]))
    const args = ['--golden', golden, '--save', '--input']
    const failed = await evaluate([...args, long, '--max-tokens', '20'])
    expect(failed.code).toBe(1)
    expect(failed.stderr).toContain('the text "l" failed: INPUT_TOO_LONG')
    expect(existsSync(golden)).toBe(false)
    for (const [content, message] of [
      [jsonl([texts[0] as object, texts[0] as object]), /Text 2 has an id that came before/],
      ['{"id": 1}\n', /has no "text"/],
      ['\n', /no texts/],
    ] as const) {
      const { code, stderr } = await evaluate([...args, await file('bad.jsonl', content)])
      expect(stderr).toMatch(message)
      expect(code).toBe(2)
    }
    const broken = await file('broken.json', '{}')
    const refused = await evaluate(['--golden', broken, '--input', long])
    expect(refused).toMatchObject({ code: 2 })
    expect(refused.stderr).toContain('no golden set')
  })
})
