// Says whether a Linux addon runs where it is meant to: nothing newer than the glibc floor, no C++
// library of the system, nothing undefined that neither the C library nor Node gives.
//   node scripts/check-symbols.mjs [--libc glibc|musl] FILE...
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { compareVersions, readElf } from './elf.mjs'

/** Node's own floor since 18 (its BUILDING.md): RHEL 8, Debian 10, Ubuntu 20.04. */
export const GLIBC_FLOOR = '2.28'

const LIBRARIES = {
  glibc: /^(lib(c|m)\.so\.6|lib(pthread)\.so\.0|lib(dl|rt)\.so\.(1|2)|ld-linux-[\w-]+\.so\.\d)$/,
  musl: /^(libc\.so|libc\.musl-\w+\.so\.1)$/,
}

/** What is wrong with the file, a line each; nothing when it is fit to ship. */
export function symbolProblems(file, { libc = 'glibc', floor = GLIBC_FLOOR } = {}) {
  const { needed, symbols } = readElf(file)
  const problems = []
  for (const library of needed) {
    if (!LIBRARIES[libc].test(library)) problems.push(`needs ${library}`)
  }
  for (const { name, version, defined, binding } of symbols) {
    if (defined) continue
    const [, family, number] = /^([A-Z]+)_([\d.]+)$/.exec(version ?? '') ?? []
    if (family === 'GLIBC') {
      if (libc !== 'glibc') problems.push(`${name} is glibc's`)
      else if (compareVersions(number, floor) > 0)
        problems.push(`${name} needs glibc ${number}, the floor is ${floor}`)
    } else if (version) {
      problems.push(`${name} needs ${version}`)
    } else if (libc === 'glibc' && binding !== 'weak' && !/^(napi|node_api)_/.test(name)) {
      problems.push(`${name} is in no library of glibc ${floor}`)
    }
  }
  return problems
}

/** The newest glibc version that the file asks for. */
export function glibcNeeded(file) {
  const found = readElf(file)
    .symbols.filter(({ defined, version }) => !defined && version?.startsWith('GLIBC_'))
    .map(({ version }) => version.slice('GLIBC_'.length))
  return found.sort(compareVersions).at(-1)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { libc: { type: 'string' } },
  })
  let bad = positionals.length === 0
  for (const file of positionals) {
    const libc = values.libc ?? (/\.musl\./.test(path.basename(file)) ? 'musl' : 'glibc')
    const problems = symbolProblems(file, { libc })
    bad ||= problems.length > 0
    const newest = libc === 'glibc' ? `, glibc >= ${glibcNeeded(file)}` : ''
    console.log(`${problems.length ? 'FAIL' : 'ok  '} ${file} (${libc}${newest})`)
    for (const problem of problems) console.log(`     ${problem}`)
  }
  process.exit(bad ? 1 : 0)
}
