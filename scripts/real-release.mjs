// What a release is held to on trained weights, which are on the hub: release.yml runs the steps one after the other
// and publishes nothing unless all pass.
//   node scripts/real-release.mjs STEP       pull, golden, rerank, beir or race; results go to .build/real
//   node scripts/real-release.mjs --dry-run  no network: do all commands, their options and the models exist?
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from './paths.mjs'
import { run, say } from './run.mjs'

const out = path.join(root, '.build', 'real')
const cli = path.join(root, 'dist', 'cli', 'main.js')
const bge = (...args) => [process.execPath, cli, ...args]

/** What is pulled, and so must be on the hub still: what people name most. */
const MODELS = [
  'bge-m3',
  'bge-reranker-v2-m3',
  'multilingual-e5-base',
  'bge-small-en-v1.5',
  'all-MiniLM-L6-v2',
]

/** BEIR's SciFact: 5,183 abstracts, 300 claims. */
const BEIR = {
  url: 'https://public.ukp.informatik.tu-darmstadt.de/thakur/BEIR/datasets/scifact.zip',
  folder: path.join(out, 'scifact'),
  // bge-m3, dense, by mteb 1.36.32: github.com/embeddings-benchmark/results, BAAI__bge-m3/5617a9f6.../SciFact.json
  published: 0.64366,
  // Q8_0, and a title that is joined by another character
  tolerance: 0.01,
}

/** From the README of FlagEmbedding's re-rankers, for bge-reranker-v2-m3 in fp16. */
const RERANK = {
  query: 'what is panda?',
  documents: [
    'hi',
    'The giant panda (Ailuropoda melanoleuca), sometimes called a panda bear or simply panda, is a bear species endemic to China.',
  ],
  logits: [-8.1875, 5.26171875],
  // Q8_0: test/embedder/rerank saw 0.1 on weights whose logits lie as far apart
  tolerance: 0.5,
}

const rerank = bge('rerank', '--model', 'bge-reranker-v2-m3', '--json')
const evaluate = bge(
  ...['evaluate', '--model', 'bge-m3', '--json', '--no-colbert', '--truncate'],
  ...['--corpus', path.join(BEIR.folder, 'corpus.jsonl')],
  ...['--queries', path.join(BEIR.folder, 'queries.jsonl')],
  ...['--qrels', path.join(BEIR.folder, 'qrels', 'test.tsv')],
)
const peers = ['npm', 'install', '--prefix', path.join('bench', 'peers'), '--ignore-scripts']
const race = ['npm', 'run', 'bench', '--', '--quick', '--json', path.join(out, 'race.json')]

const zip = path.join(out, 'scifact.zip')
const fetched = [
  ['curl', '--fail', '--location', '--output', zip, BEIR.url],
  ['unzip', '-o', zip, '-d', out],
]
const where = bge('model', 'path', '--model', 'bge-m3')

/** Every command, in the order in which they are run. */
const COMMANDS = {
  pull: MODELS.map((name) => bge('model', 'pull', name)),
  golden: [['npm', 'run', 'test:golden']],
  rerank: [[...rerank, RERANK.query, ...RERANK.documents]],
  beir: [...fetched, evaluate],
  race: [peers, where, [...race, '--model', 'FILE']],
}

const STEPS = {
  pull: () => {
    for (const command of COMMANDS.pull) show(command)
  },
  golden: () => show(COMMANDS.golden[0], { BGE_M3_MODEL: 'bge-m3' }),
  rerank: () => {
    const [command] = COMMANDS.rerank
    const { results } = JSON.parse(answer(command))
    for (const [index, expected] of RERANK.logits.entries()) {
      const { score } = results.find((one) => one.index === index)
      hold(`logit of document ${index}`, score, {
        published: expected,
        tolerance: RERANK.tolerance,
      })
    }
  },
  beir: () => {
    for (const command of fetched) show(command)
    const text = answer(evaluate)
    fs.writeFileSync(path.join(out, 'beir.json'), text)
    hold('nDCG@10 on SciFact', JSON.parse(text).dense['ndcg@10'], BEIR)
  },
  race: () => {
    show(peers)
    show([...race, '--model', answer(where).trim()])
  },
}

function hold(what, found, { published, tolerance }) {
  say(`${what}: ${found}, published ${published}`)
  if (!(Math.abs(found - published) <= tolerance)) {
    throw new Error(`${what} is ${found}, more than ${tolerance} from the published ${published}`)
  }
}

const show = ([command, ...args], env = {}) =>
  run(command, args, { cwd: root, env: { ...process.env, ...env } })
const answer = ([command, ...args]) =>
  execFileSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 })

/** What is missing for a command to run: its program, its script, its options. @param {string[]} command */
function lackOf([program, ...args]) {
  if (program === 'npm') {
    const { scripts } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'))
    if (args[0] === 'install') return undefined
    const script = scripts[args[1]]
    if (script === undefined) return `npm has no script ${args[1]}`
    const file = script.split(' ').find((word) => /\.mjs$/.test(word))
    if (file === undefined) return undefined
    return lackOfFlags(fs.readFileSync(path.join(root, file), 'utf8'), args.slice(2), (flag) =>
      flag === '--' ? '' : flag.slice(2),
    )
  }
  if (program !== process.execPath) {
    const folders = (process.env.PATH ?? '').split(path.delimiter)
    const isThere = folders.some((folder) => fs.existsSync(path.join(folder, program)))
    return isThere ? undefined : `there is no ${program}`
  }
  const names = args.slice(1, args[1] === 'model' ? 3 : 2)
  return lackOfFlags(answer(bge(...names, '--help')), args.slice(1), (flag) => flag)
}

function lackOfFlags(text, args, spelled) {
  const missing = args.filter((arg) => arg.startsWith('--') && !text.includes(spelled(arg)))
  return missing.length > 0 ? `no option ${missing.join(', ')}` : undefined
}

async function dryRun() {
  const { NAMED_MODELS } = await import(pathToFileURL(path.join(root, 'dist', 'model.js')).href)
  const known = NAMED_MODELS.map(({ name }) => name)
  const lacks = MODELS.filter((name) => !known.includes(name)).map((name) => `no model ${name}`)
  for (const [step, commands] of Object.entries(COMMANDS)) {
    for (const command of commands) {
      const lack = lackOf(command)
      say(`${step}: ${command.map((part) => path.basename(part)).join(' ')}: ${lack ?? 'ok'}`)
      if (lack) lacks.push(`${step}: ${lack}`)
    }
  }
  if (lacks.length > 0) throw new Error(lacks.join('\n'))
}

const [what] = process.argv.slice(2)
try {
  fs.mkdirSync(out, { recursive: true })
  if (what === '--dry-run') await dryRun()
  else if (Object.hasOwn(STEPS, what)) STEPS[what]()
  else throw new Error(`which step: ${Object.keys(STEPS).join(', ')}, or --dry-run`)
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
