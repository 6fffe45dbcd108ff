// The layer rule of the C++: what each room of native/ may include.
import fs from 'node:fs'
import path from 'node:path'
import { root } from './paths.mjs'

/** A room's own headers are its own affair; `outside` are the headers of others that are not the language's. */
const ROOMS = {
  kernels: { below: [] },
  ggml: { below: ['kernels'], outside: /^(ggml[\w-]*|traits)\.h$/ },
  engine: { below: ['ggml', 'kernels'], outside: /^llama\.h$/ },
  addon: { below: ['engine'], outside: /^napi\.h$/ },
}
const WATCHED = /^(ggml[\w-]*|gguf|traits|llama|napi|node_api)\.h$/

const problems = []
for (const [room, { below, outside }] of Object.entries(ROOMS)) {
  const folder = path.join(root, 'native', room)
  for (const name of fs.readdirSync(folder, { recursive: true })) {
    if (!/\.(h|cpp)$/.test(name)) continue
    const file = path.join(folder, name)
    for (const [, header] of fs.readFileSync(file, 'utf8').matchAll(/^#include ["<]([^">]+)/gm)) {
      const own = path.resolve(path.dirname(file), header)
      const found = fs.existsSync(own)
      const from = found && path.relative(path.join(root, 'native'), own).split(path.sep)[0]
      const allowed = found
        ? from === room || below.includes(from)
        : !WATCHED.test(header) || outside?.test(header)
      if (!allowed) problems.push(`native/${room}/${name} must not include ${header}`)
    }
  }
}
for (const problem of problems) console.error(problem)
process.exitCode = problems.length ? 1 : 0
