#!/usr/bin/env node
// What prebuildify calls in place of node-gyp: builds the addon for BGE_M3_TARGET (scripts/targets.mjs) into
// build/Release of the working folder. node-gyp itself would fetch Node's headers, which N-API does not need.
import fs from 'node:fs'
import path from 'node:path'
import { GLIBC_FLOOR } from './check-symbols.mjs'
import { root } from './paths.mjs'
import { run, say } from './run.mjs'
import { hostTarget, TARGETS, toolchainFile } from './targets.mjs'
import { zigToolchain } from './zig.mjs'

const name = process.env.BGE_M3_TARGET ?? hostTarget()
const target = TARGETS[name]
const jobs = process.env.BGE_M3_BUILD_JOBS

/** This machine's own is what `npm run build` makes: what the tests test is what is shipped. */
function buildHost() {
  run(process.execPath, [path.join(root, 'scripts', 'build.mjs'), '--native', '--if-needed'])
  return path.join(root, 'build', 'Release', 'bge_m3_node.node')
}

function buildCross() {
  const tree = path.join(root, '.build', 'prebuild', name, 'tree')
  const toolchain = target.zig ? zigToolchain(target.zig) : toolchainFile(name)
  const configure = ['-S', root, '-B', tree, `-DCMAKE_TOOLCHAIN_FILE=${toolchain}`]
  configure.push(`-DBGE_GLIBC_FLOOR=${target.libc === 'glibc' ? GLIBC_FLOOR : ''}`)
  configure.push('-DCMAKE_BUILD_TYPE=Release')
  if (process.env.BGE_M3_TARGET_TESTS) configure.push('-DBGE_TESTS=ON')
  run('cmake', configure, { quiet: true })
  const parallel = jobs ? ['--parallel', jobs] : ['--parallel']
  run('cmake', ['--build', tree, ...parallel], { quiet: true })
  return path.join(tree, 'bge_m3_node.node')
}

try {
  const built = name === hostTarget() ? buildHost() : buildCross()
  const output = path.resolve('build', 'Release')
  fs.rmSync(output, { recursive: true, force: true })
  fs.mkdirSync(output, { recursive: true })
  fs.copyFileSync(built, path.join(output, 'bge_m3_node.node'))
} catch (error) {
  say(error.message)
  process.exit(1)
}
