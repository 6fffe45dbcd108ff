// Builds the addon on a machine that no prebuilt file fits; never run by an installation.
//   npm explore bge-m3-node -- npm run build-from-source
// Needs CMake, a C++17 compiler, git, tar and, once, the registry: llama.cpp's source and the build tools
// are fetched into the cache directory. The result lies in build/Release, which the loader
// takes where no prebuilt file loads; `BGE_M3_ADDON` names it outright.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { buildCacheDir, root } from './paths.mjs'
import { run, say } from './run.mjs'

const TOOLS = ['cmake-js', 'node-addon-api', 'node-api-headers']

/** The build tools' node_modules: the clone's own, or a copy in the cache. */
function buildTools() {
  const own = path.join(root, 'node_modules')
  if (TOOLS.every((name) => fs.existsSync(path.join(own, name)))) return own
  const { devDependencies } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'))
  const wanted = TOOLS.map((name) => `${name}@${devDependencies[name]}`)
  const key = createHash('sha256').update(wanted.join()).digest('hex').slice(0, 12)
  const folder = path.join(buildCacheDir(), `tools-${key}`)
  if (!fs.existsSync(path.join(folder, '.complete'))) {
    say(`fetching ${wanted.join(', ')}`)
    fs.mkdirSync(folder, { recursive: true })
    fs.writeFileSync(path.join(folder, 'package.json'), '{"private":true}')
    const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--silent']
    run('npm', ['install', ...quiet, ...wanted], { quiet: true, cwd: folder })
    fs.writeFileSync(path.join(folder, '.complete'), '')
  }
  return path.join(folder, 'node_modules')
}

try {
  const started = Date.now()
  const modules = buildTools()
  const digest = createHash('sha256').update(root).digest('hex').slice(0, 12)
  const tree = path.join(buildCacheDir(), `addon-${digest}`)
  say('building the addon (the first time with llama.cpp: a few minutes)')
  const cmakeJs = path.join(modules, 'cmake-js', 'bin', 'cmake-js')
  const args = [cmakeJs, 'compile', '--directory', root, '--out', tree, '--config', 'Release']
  // CMake asks Node where the headers are, from a folder that has no node_modules of its own
  run(process.execPath, args, {
    quiet: true,
    cwd: root,
    env: { ...process.env, NODE_PATH: modules },
  })
  const built = ['', 'Release'].map((sub) => path.join(tree, sub, 'bge_m3_node.node'))
  const target = path.join(root, 'build', 'Release', 'bge_m3_node.node')
  fs.mkdirSync(path.dirname(target), { recursive: true })
  fs.rmSync(target, { force: true }) // never write into a file that a running process has mapped
  fs.copyFileSync(built.find((file) => fs.existsSync(file)) ?? built[0], target)
  fs.rmSync(tree, { recursive: true, force: true })
  const seconds = ((Date.now() - started) / 1000).toFixed(0)
  say(`built ${path.relative(process.cwd(), target)} in ${seconds} s`)
  say(`it is used where no prebuilt file loads; to prefer it set BGE_M3_ADDON=${target}`)
} catch (error) {
  say(error.message)
  process.exit(1)
}
