// Makes stand-ins of glibc's libraries that offer only what a glibc of the floor's version has, so that
// whatever is linked against them runs there: the linker cannot bind to a newer symbol that it does not
// see. They are made from this machine's own glibc, which keeps every old version of its symbols; only
// names and versions matter, for at run time the real libraries are loaded.
//   node scripts/glibc-floor.mjs --cc gcc --floor 2.28 --out DIR
// Prints the linker's arguments, one a line; nothing where the C library is not glibc.
// native/compat/glibc_floor.c has the few functions that came later and that libstdc++.a wants.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { compareVersions, readElf } from './elf.mjs'
import { run, say } from './run.mjs'

const { values: options } = parseArgs({
  options: {
    cc: { type: 'string', default: 'cc' },
    floor: { type: 'string', default: '2.28' },
    out: { type: 'string' },
  },
})

const ask = (argument) =>
  execFileSync(options.cc, [argument], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  }).trim()

/** The compiler's own path of a library; undefined when it has none (it then echoes the name). */
function library(name) {
  const file = ask(`-print-file-name=${name}`)
  return path.isAbsolute(file) && fs.existsSync(file) ? file : undefined
}

/** Each name at its newest version that the floor has: Map version -> symbols. */
function atFloor(symbols) {
  const best = new Map()
  for (const symbol of symbols) {
    const number = /^GLIBC_([\d.]+)$/.exec(symbol.version ?? '')?.[1]
    // a library also has a symbol named as each of its versions
    if (!symbol.defined || !number || symbol.type === 'tls' || symbol.name === symbol.version)
      continue
    if (compareVersions(number, options.floor) > 0) continue
    const known = best.get(symbol.name)
    if (!known || compareVersions(number, known.number) > 0)
      best.set(symbol.name, { ...symbol, number })
  }
  const nodes = new Map()
  for (const symbol of best.values()) {
    nodes.set(symbol.version, [...(nodes.get(symbol.version) ?? []), symbol])
  }
  return nodes
}

function writeStandIn(soname, symbols) {
  const nodes = atFloor(symbols)
  const assembly = ['.text']
  for (const { name, type, size } of [...nodes.values()].flat()) {
    const data = type === 'object'
    assembly.push(data ? '.data' : '.text', `.globl ${name}`)
    assembly.push(`.type ${name}, %${data ? 'object' : 'function'}`, `.size ${name}, ${size}`)
    assembly.push(`${name}: .zero ${data ? Math.max(size, 1) : 4}`)
  }
  const script = [...nodes].map(
    ([version, list]) => `${version} { global: ${list.map(({ name }) => `${name};`).join(' ')} };`,
  )
  const file = path.join(options.out, soname)
  fs.writeFileSync(`${file}.s`, `${assembly.join('\n')}\n`)
  fs.writeFileSync(`${file}.map`, `${script.join('\n')}\n`)
  const flags = ['-shared', '-nostdlib', `-Wl,-soname,${soname}`]
  if (script.length) flags.push(`-Wl,--version-script,${file}.map`)
  run(options.cc, [...flags, '-o', file, `${file}.s`], { quiet: true })
  return file
}

try {
  const libc = library('libc.so.6')
  if (libc) {
    const loader = readElf(libc).needed.find((name) => name.startsWith('ld-'))
    const nonshared = library('libc_nonshared.a')
    fs.mkdirSync(options.out, { recursive: true })
    const made = {}
    for (const soname of ['libc.so.6', 'libm.so.6', loader])
      made[soname] = writeStandIn(soname, readElf(library(soname)).symbols)
    // Before 2.34 threads and dlopen had libraries of their own, which must be asked for; after it
    // these are empty. Which of them has a symbol does not matter to ld.so: it compares versions.
    for (const soname of ['libpthread.so.0', 'libdl.so.2']) made[soname] = writeStandIn(soname, [])
    const scripts = {
      'libc.so': `GROUP ( ${made['libc.so.6']} ${nonshared} AS_NEEDED ( ${made[loader]} ) )`,
      'libm.so': `GROUP ( ${made['libm.so.6']} )`,
      'libpthread.so': `GROUP ( ${made['libpthread.so.0']} )`,
      'libdl.so': `GROUP ( ${made['libdl.so.2']} )`,
    }
    for (const [name, text] of Object.entries(scripts))
      fs.writeFileSync(path.join(options.out, name), `${text}\n`)
    process.stdout.write(
      `-L${options.out}\n-Wl,--push-state,--no-as-needed,-lpthread,-ldl,--pop-state\n`,
    )
  }
} catch (error) {
  say(error.message)
  process.exit(1)
}
