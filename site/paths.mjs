// Where the site is made and what it is made of.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
/** Markdown as VitePress reads it: `docs/` with links changed, and the generated pages. */
export const staged = path.join(root, '.build', 'site-src')
export const built = path.join(root, '.build', 'site')

const pkg = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'))

/** The package's subpaths and the source each is built from, as tsup.config.ts names them. */
export function entryPoints() {
  const config = fs.readFileSync(path.join(root, 'tsup.config.ts'), 'utf8')
  return Object.entries(pkg.exports)
    .filter(([, target]) => typeof target === 'object')
    .map(([subpath, { import: target }]) => {
      const output = target.default.replace(/^\.\/dist\//, '').replace(/\.js$/, '')
      const source = new RegExp(`'?${output}'?: '(lib/[^']+)'`).exec(config)?.[1]
      return { name: pkg.name + subpath.slice(1), subpath, source }
    })
    .filter(({ source }) => source && fs.existsSync(path.join(root, source)))
}

/** Web address of the repository, or undefined while there is none. */
export function repository() {
  const { repository: named } = pkg
  const url = typeof named === 'string' ? named : named?.url
  return url?.replace(/^git\+/, '').replace(/\.git$/, '')
}
