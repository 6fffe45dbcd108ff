// Bun for musl runs on Debian: Debian has musl itself, but no C++ library for it. Of libstdc++ Bun asks for
// some forty symbols; they are linked out of the system's static one, which needs of the C library nothing
// that musl lacks (native/compat/glibc_floor.c has what only newer glibcs have). For trying prebuilt
// files only.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { readElf } from './elf.mjs'
import { root } from './paths.mjs'
import { run } from './run.mjs'

/** Debian's package `musl`; the same file is its dynamic linker. */
const LIBC = '/lib/x86_64-linux-musl/libc.so'

/** Makes `folder`/libstdc++.so.6 for `program`, once. */
export function makeCxxLibrary(program, folder) {
  const library = path.join(folder, 'libstdc++.so.6')
  if (fs.existsSync(library)) return
  if (!fs.existsSync(LIBC))
    throw new Error('musl is not installed: bash scripts/prebuild-packages.sh')
  const has = new Set(readElf(LIBC).symbols.map(({ name }) => name))
  const wanted = readElf(program).symbols.filter(
    // a program that is linked at a fixed address has copies of the tables it refers to
    ({ name, defined }) => /^_/.test(name) && (defined ? /^_ZTV/.test(name) : !has.has(name)),
  )
  const archive = (name) =>
    execFileSync('gcc', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim()
  fs.mkdirSync(folder, { recursive: true })
  const handle = path.join(folder, 'handle.c') // crtbegin.o has it, which is glibc's
  fs.writeFileSync(
    handle,
    'void *__dso_handle __attribute__((visibility("hidden"))) = &__dso_handle;\n',
  )
  run(
    'gcc',
    [
      ...['-O2', '-fPIC', '-shared', '-nostdlib', '-o', library],
      '-Wl,-soname,libstdc++.so.6',
      ...wanted.map(({ name }) => `-Wl,-u,${name}`),
      path.join(root, 'native', 'compat', 'glibc_floor.c'),
      handle,
      '-Wl,--start-group',
      ...['libstdc++.a', 'libgcc_eh.a', 'libgcc.a'].map(archive),
      '-Wl,--end-group',
      LIBC,
    ],
    { quiet: true },
  )
}
