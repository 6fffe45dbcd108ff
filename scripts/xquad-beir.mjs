// Makes a data set in BEIR's layout of XQuAD's paragraphs and questions (240 paragraphs and 711
// questions in each of en, de, zh and ar, from the test fixtures), for `bge-m3 evaluate`.
//   node scripts/xquad-beir.mjs DIR [--corpus en,de,zh,ar] [--queries en]
// A question's relevant document is its own paragraph: in the question's language where the corpus has
// that language, and in every language of the corpus with --all. So `--corpus de --queries en` crosses
// languages, and so does `--corpus en,de,zh,ar --queries en --all`.
import fs from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { root } from './paths.mjs'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    corpus: { type: 'string', default: 'en,de,zh,ar' },
    queries: { type: 'string', default: 'en' },
    all: { type: 'boolean', default: false },
  },
})
const [directory] = positionals
const known = ['en', 'de', 'zh', 'ar']
const named = [values.corpus, values.queries].flatMap((list) => list.split(','))
if (!directory || named.some((language) => !known.includes(language))) {
  console.error('usage: node scripts/xquad-beir.mjs DIR [--corpus LANGS] [--queries LANGS] [--all]')
  process.exit(2)
}

/** @returns {{ id: string, text: string, questions: string[] }[]} */
const paragraphs = (language) =>
  JSON.parse(fs.readFileSync(path.join(root, 'test/fixtures/xquad', `${language}.json`), 'utf8'))

const languages = values.corpus.split(',')
const corpus = []
for (const language of languages) {
  for (const { id, text } of paragraphs(language)) corpus.push({ _id: id, title: '', text })
}
const queries = []
const qrels = ['query-id\tcorpus-id\tscore']
for (const language of values.queries.split(',')) {
  const own = !values.all && languages.includes(language)
  for (const [at, { id, questions }] of paragraphs(language).entries()) {
    questions.forEach((text, i) => {
      const query = `${id}-q${i}`
      queries.push({ _id: query, text })
      // paragraphs of all languages are in one order
      for (const target of own ? [language] : languages) {
        qrels.push(`${query}\t${target}-${at}\t1`)
      }
    })
  }
}

const lines = (records) => `${records.map((record) => JSON.stringify(record)).join('\n')}\n`
fs.mkdirSync(path.join(directory, 'qrels'), { recursive: true })
fs.writeFileSync(path.join(directory, 'corpus.jsonl'), lines(corpus))
fs.writeFileSync(path.join(directory, 'queries.jsonl'), lines(queries))
fs.writeFileSync(path.join(directory, 'qrels', 'test.tsv'), `${qrels.join('\n')}\n`)
console.log(
  `${corpus.length} documents, ${queries.length} queries, ${qrels.length - 1} judgements in ${directory}`,
)
