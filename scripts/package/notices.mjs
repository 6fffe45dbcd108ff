// Does THIRD_PARTY_NOTICES.md name everything of others that a user gets, with its licence?
//   node scripts/package/notices.mjs        prints what is missing; exit code 1
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { llamaSource } from '../llama-source.mjs'
import { root } from '../paths.mjs'
import { bundledPackages, installedPackages, nativeComponents } from './components.mjs'

/** Licences that allow a package under MIT to bring them along. */
const ALLOWED = [
  'MIT',
  'ISC',
  '0BSD',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'Apache-2.0',
  'BlueOak-1.0.0',
]

/** How THIRD_PARTY_NOTICES.md spells a licence. */
const SPELLINGS = {
  MIT: /\bMIT\b/,
  ISC: /\bISC\b/,
  '0BSD': /Zero-Clause BSD/,
  'BSD-2-Clause': /BSD 2-Clause/,
  'BSD-3-Clause': /BSD 3-Clause/,
  'Apache-2.0': /Apache License 2\.0/,
  'BlueOak-1.0.0': /Blue Oak Model License 1\.0\.0/,
  'Unicode-3.0': /UNICODE LICENSE V3/,
  'Apache-2.0 WITH LLVM-exception': /Apache License v2\.0 with LLVM Exceptions/,
  'ZPL-2.1': /Zope Public License 2\.1/,
  'GPL-3.0-only WITH GCC-exception-3.1': /GCC Runtime Library\s+Exception/,
}

/** @returns sentences about what is missing or wrong; none when all is well */
export async function noticeProblems(text = read('THIRD_PARTY_NOTICES.md')) {
  const problems = []
  const inside = section(text, '## In `dist/')
  const beside = section(text, '## npm packages')
  const check = (part, { name, license }, where) => {
    const entry = part.split(/\n(?=[-|])/).find((line) => namesOf(line).includes(name))
    if (!ALLOWED.includes(license)) problems.push(`${name}: licence ${license} is not in the list`)
    else if (!entry) problems.push(`${name} (${license}) is not named under ${where}`)
    else if (!SPELLINGS[license].test(entry))
      problems.push(`${name}: its entry must say ${license}`)
  }
  const installed = installedPackages()
  for (const entry of installed) check(beside, entry, 'npm packages')
  for (const entry of await bundledPackages()) check(inside, entry, 'dist')
  for (const name of namesIn(beside)) {
    if (!installed.some((entry) => entry.name === name)) {
      problems.push(`${name} is named, and not installed any more`)
    }
  }
  for (const { name, license, heading } of nativeComponents()) {
    const part = section(text, `### ${heading}`)
    if (!part) problems.push(`${name}: no heading "${heading}"`)
    else if (!SPELLINGS[license].test(part)) problems.push(`${name}: its part must say ${license}`)
  }
  const copyright = /^Copyright.*$/m.exec(
    fs.readFileSync(path.join(llamaSource(), 'LICENSE'), 'utf8'),
  )[0]
  if (!text.includes(copyright)) problems.push(`llama.cpp: its licence says "${copyright}"`)
  return problems
}

/** Packages that an entry is about: `a, b` before the first `|`, `:` or licence. */
function namesOf(line) {
  const cell = /^\| ([^|]+) \|/.exec(line)?.[1] ?? /^- ([^\s,]+)/.exec(line)?.[1] ?? ''
  const aliases = { Apache: 'echarts' }
  return cell.split(', ').map((name) => aliases[name] ?? name.trim())
}

const namesIn = (part) =>
  part
    .split('\n')
    .filter((line) => /^\| [a-z@]/.test(line) && !line.startsWith('| package'))
    .flatMap(namesOf)

/** From a heading to the next one of its level or above. */
function section(text, heading) {
  const from = text.indexOf(`\n${heading}`)
  if (from < 0) return ''
  const level = heading.match(/^#+/)[0].length
  const rest = text.slice(from + 1)
  const end = rest.slice(1).search(new RegExp(`\n#{1,${level}} `))
  return end < 0 ? rest : rest.slice(0, end + 1)
}

function read(name) {
  return fs.readFileSync(path.join(root, name), 'utf8')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const problems = await noticeProblems()
  for (const problem of problems) console.log(problem)
  process.exitCode = problems.length > 0 ? 1 : 0
}
