// Where the site is made and what it is made of.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { entries } from '../scripts/exports.mjs'

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
/** Markdown as VitePress reads it: `docs/` with links changed, and the generated pages. */
export const staged = path.join(root, '.build', 'site-src')
export const built = path.join(root, '.build', 'site')

const pkg = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'))

/** The package's entries by the name they are imported by, and the source of each. */
export function entryPoints() {
  return entries.map(({ name, source }) => {
    const subpath = name === 'index' ? '.' : `./${name}`
    return { name: pkg.name + subpath.slice(1), subpath, source }
  })
}

/** Web address of the repository, or undefined while there is none. */
export function repository() {
  const { repository: named } = pkg
  const url = typeof named === 'string' ? named : named?.url
  return url?.replace(/^git\+/, '').replace(/\.git$/, '')
}
