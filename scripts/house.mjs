// How the house stands: lines a folder, the largest files, and what breaks its rules.
//   node scripts/house.mjs [--check]   --check: prints the breaches alone, and fails where there are any
import fs from 'node:fs'
import path from 'node:path'
import ts from 'typescript'
import { root } from './paths.mjs'

const LARGEST = 10

const files = (folder, extension) =>
  fs
    .readdirSync(path.join(root, folder), { recursive: true })
    .filter((name) => extension.test(name))
    .map((name) => path.posix.join(folder, name.replaceAll(path.sep, '/')))
    .sort()
const read = (file) => fs.readFileSync(path.join(root, file), 'utf8')
const linesOf = (file) => read(file).split('\n').length - 1
const sum = (list) => list.reduce((total, file) => total + linesOf(file), 0)

const sources = files('lib', /\.ts$/)

/** Files at the root of `lib` other than its public entry. */
const loose = sources.filter((file) => /^lib\/[^/]+$/.test(file) && file !== 'lib/index.ts')

/** Pairs of folders of which each imports the other. */
function twoWay() {
  const arrows = new Set()
  for (const file of sources) {
    for (const { fileName } of ts.preProcessFile(read(file)).importedFiles) {
      if (!fileName.startsWith('.')) continue
      const from = path.posix.dirname(file)
      const to = path.posix.dirname(path.posix.join(from, fileName))
      if (from !== to) arrows.add(`${from} > ${to}`)
    }
  }
  return [...arrows]
    .map((arrow) => arrow.split(' > '))
    .filter(([from, to]) => from < to && arrows.has(`${to} > ${from}`))
    .map(([from, to]) => `${from} and ${to}`)
}

function folders(top, extension, depth) {
  const groups = new Map()
  for (const file of files(top, extension)) {
    const folder = path.posix.dirname(file).split('/').slice(0, depth).join('/')
    groups.set(folder, [...(groups.get(folder) ?? []), file])
  }
  return groups
}

function print(title, rows) {
  console.log(`\n${title}`)
  for (const [name, ...cells] of rows) {
    console.log(`  ${name.padEnd(44)}${cells.map((cell) => String(cell).padStart(8)).join('')}`)
  }
}

const pairs = twoWay()
if (!process.argv.includes('--check')) {
  for (const [top, extension, depth] of [
    ['lib', /\.ts$/, 3],
    ['native', /\.(h|cpp|c)$/, 3],
    ['test', /\.(ts|mjs)$/, 2],
    ['bench', /\.(mjs|cpp|h)$/, 2],
    ['scripts', /\.mjs$/, 2],
  ]) {
    const rows = [...folders(top, extension, depth)].map(([name, list]) => [
      name,
      list.length,
      sum(list),
    ])
    const all = files(top, extension)
    print(`${top}: files, lines`, [...rows, ['in all', all.length, sum(all)]])
  }
  const largest = sources.map((file) => [file, linesOf(file)]).sort((a, b) => b[1] - a[1])
  print('largest files of lib', largest.slice(0, LARGEST))
}
for (const file of loose) console.log(`${file} lies at the root of lib`)
for (const pair of pairs) console.log(`${pair} import each other`)
if (loose.length + pairs.length === 0)
  console.log('no loose file, no two folders that import each other')
else process.exitCode = 1
