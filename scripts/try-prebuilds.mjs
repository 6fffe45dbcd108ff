// Embeds real texts with each prebuilt file, in its platform's own Node under an emulator, and compares the
// numbers with this machine's.
//   node scripts/try-prebuilds.mjs [TARGET...]     all that lie in prebuilds/ without a name
//   --isa   those for this processor's family once for each of its levels
// A line of JSON per run on stdout; exit code 1 when one ran and failed, or differs on x64.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { emulator } from './emulators.mjs'
import { root } from './paths.mjs'
import { say } from './run.mjs'
import { hostTarget, prebuildFile, TARGETS } from './targets.mjs'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { isa: { type: 'boolean', default: false }, model: { type: 'string' } },
})

/** Twelve paragraphs in four languages. */
function texts() {
  const lists = ['en', 'de', 'zh', 'ar'].map((language) =>
    JSON.parse(fs.readFileSync(path.join(root, 'test/fixtures/xquad', `${language}.json`), 'utf8')),
  )
  return Array.from({ length: 12 }, (_, i) => lists[i % 4][Math.floor(i / 4)].text)
}

/** The stand-in `tiny`, made once. */
function model(folder) {
  if (options.model) return path.resolve(options.model)
  const file = path.join(folder, 'tiny.gguf')
  const args = ['dist/cli/main.js', 'model', 'standin', '--size', 'tiny', '--output', file]
  const made = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' })
  if (made.status !== 0) throw new Error(`no stand-in: ${made.stderr}`)
  return file
}

function embed(folder, name, file, env = {}) {
  const { command, args, env: own, path: spelled } = emulator(name)
  const output = path.join(folder, 'output.json')
  const job = path.join(folder, 'job.json')
  fs.rmSync(output, { force: true })
  const entry = spelled(path.join(root, 'dist', 'index.js'))
  const content = {
    entry,
    model: spelled(given.model),
    texts: given.texts,
    output: spelled(output),
  }
  fs.writeFileSync(job, JSON.stringify(content))
  const script = spelled(path.join(root, 'scripts', 'prebuild-program.mjs'))
  const log = fs.openSync(path.join(folder, 'log.txt'), 'w')
  const end = spawnSync(command, [...args, script, spelled(job)], {
    stdio: ['ignore', log, log],
    timeout: 600_000,
    env: { ...process.env, ...own, ...env, BGE_M3_ADDON: spelled(file) },
  })
  fs.closeSync(log)
  const result = fs.existsSync(output) ? JSON.parse(fs.readFileSync(output, 'utf8')) : {}
  if (!result.embeddings) {
    const said = fs.readFileSync(path.join(folder, 'log.txt'), 'utf8').trim()
    throw new Error(result.error ?? `ended with ${end.signal ?? end.status}: ${said.slice(-2000)}`)
  }
  return { ...result, exitCode: end.status }
}

/** How far two runs' numbers are from each other. */
function compare(a, b) {
  const floats = (text) => {
    const bytes = Buffer.from(text, 'base64')
    return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
  }
  let maxAbsDiff = 0
  let minCosine = 1
  let equalTexts = 0
  a.forEach((one, i) => {
    equalTexts += JSON.stringify(one) === JSON.stringify(b[i]) ? 1 : 0
    const [x, y] = [floats(one.dense), floats(b[i].dense)]
    let [dot, xx, yy] = [0, 0, 0]
    x.forEach((value, k) => {
      dot += value * y[k]
      xx += value * value
      yy += y[k] * y[k]
      maxAbsDiff = Math.max(maxAbsDiff, Math.abs(value - y[k]))
    })
    minCosine = Math.min(minCosine, dot / Math.sqrt(xx * yy))
  })
  return { equalTexts: `${equalTexts} of ${a.length}`, maxAbsDiff, minCosine }
}

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'bge-m3-try-'))
const given = { texts: texts(), model: model(folder) }
let failed = false
try {
  const built = path.join(root, 'build', 'Release', 'bge_m3_node.node')
  const reference = embed(folder, hostTarget(), built)
  const attempt = (name, file, env) => {
    try {
      const { embeddings, ...facts } = embed(folder, name, file, env)
      if (env && facts.isa !== env.BGE_M3_ISA)
        return say(`${env.BGE_M3_ISA}: not on this processor`)
      const size = fs.statSync(file).size
      const result = { target: name, size, ...facts, ...compare(reference.embeddings, embeddings) }
      console.log(JSON.stringify(result))
    } catch (error) {
      const missing = /nothing here runs|not installed/.test(error.message)
      failed ||= !missing
      say(`${missing ? 'SKIPPED' : 'FAILED'} ${name}: ${error.message}`)
    }
  }
  const names = positionals.length > 0 ? positionals : Object.keys(TARGETS)
  for (const name of names.filter((target) => fs.existsSync(prebuildFile(target)))) {
    attempt(name, prebuildFile(name))
    if (!options.isa || TARGETS[name].arch !== process.arch) continue
    for (const isa of ['amx', 'avx2', 'avxvnni', 'avx512vnni', 'neon', 'neon-i8mm', 'generic'])
      attempt(name, prebuildFile(name), { BGE_M3_ISA: isa })
  }
} finally {
  fs.rmSync(folder, { recursive: true, force: true })
}
process.exit(failed ? 1 : 0)
