// docs/benchmarks.md, put together from the results that benches left in bench/results.
import fs from 'node:fs'
import path from 'node:path'
import { asMarkdown } from '../race/report.mjs'
import { installMarkdown } from './install/report.mjs'

const root = path.resolve(import.meta.dirname, '../..')
const results = path.join(root, 'bench/results')

/** Keeps a bench's result and writes the page anew. @param name `race` or `install` */
export function report(name, result) {
  fs.mkdirSync(results, { recursive: true })
  fs.writeFileSync(path.join(results, `${name}.json`), `${JSON.stringify(result, null, 2)}\n`)
  fs.writeFileSync(path.join(root, 'docs/benchmarks.md'), `${page().trimEnd()}\n`)
}

/** The page that the kept results give. */
export function page() {
  const race = read('race')
  const install = read('install')
  return [race && asMarkdown(race, { page: true }), install && installMarkdown(install)]
    .filter(Boolean)
    .join('\n')
}

function read(name) {
  const file = path.join(results, `${name}.json`)
  return fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : undefined
}
