/** Loads CommonJS as Jest does: in a `vm` context, which has classes of its own and few of Node's globals. */
import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import vm from 'node:vm'
import { root } from './child.js'

interface Module {
  exports: unknown
}

export interface Realm {
  /** A module of the built package, with everything that it requires: `index`, `scoring` ... */
  load<T>(entry: string): T
  run<T>(code: string): T
}

/** @param globals beside those that the language has, `process`, `Buffer` and `AbortController` */
export function newRealm(globals: Record<string, unknown> = {}): Realm {
  const { AbortController } = globalThis
  const given = { process, Buffer, AbortController, ...globals }
  const context = vm.createContext(given)
  const modules = new Map<string, Module>()
  const load = (file: string): unknown => {
    const known = modules.get(file)
    if (known) return known.exports
    const module: Module = { exports: {} }
    modules.set(file, module)
    const outer = createRequire(file)
    const require = Object.assign((name: string) => {
      const found = outer.resolve(name)
      return /\.c?js$/.test(found) ? load(found) : outer(name)
    }, outer)
    const code = `(function (module, exports, require, __filename, __dirname) {${fs.readFileSync(file, 'utf8')}\n})`
    const run = vm.runInContext(code, context, { filename: file })
    run.call(module.exports, module, module.exports, require, file, path.dirname(file))
    return module.exports
  }
  return {
    load: <T>(entry: string) => load(path.join(root, 'dist', `${entry}.cjs`)) as T,
    run: <T>(code: string) => vm.runInContext(code, context) as T,
  }
}
