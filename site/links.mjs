// What a link of a page of `docs/` leads to on the site.
import fs from 'node:fs'
import path from 'node:path'
import { repository, root } from './paths.mjs'

/** Pages of the site that are not in `docs/`. */
const ELSEWHERE = {
  'README.md': 'index.md',
  'CHANGELOG.md': 'project/changelog.md',
  'CONTRIBUTING.md': 'project/contributing.md',
  'SECURITY.md': 'project/security.md',
  'THIRD_PARTY_NOTICES.md': 'project/third-party-notices.md',
}

/** Root files that have a page: file to page. */
export const projectPages = () =>
  Object.entries(ELSEWHERE).filter(([file]) => fs.existsSync(path.join(root, file)))

/**
 * The page of the site that shows a file of the repository, or undefined.
 *
 * @param file relative to the repository's root
 */
export function pageOf(file) {
  const normal = path.posix.normalize(file).replace(/\/$/, '')
  if (ELSEWHERE[normal]) return ELSEWHERE[normal]
  if (normal.startsWith('docs/')) return normal.slice('docs/'.length)
  if (normal === 'examples') return 'examples.md'
  const [, example] = /^examples\/([^/]+)/.exec(normal) ?? []
  return example ? `examples/${example}.md` : undefined
}

/**
 * Markdown with its links changed to the site's: between pages they stay relative, to other files of the
 * repository they lead to its web address, or stop being links while it has none.
 *
 * @param markdown
 * @param file the page's file, relative to the repository's root
 */
export function rewriteLinks(markdown, file) {
  const page = pageOf(file)
  return outsideFences(markdown, (text) =>
    text.replace(
      /(!?)\[((?:[^[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)/g,
      (whole, image, label, target) => {
        if (/^([a-z]+:|#)/.test(target) || image) return whole
        const [name, anchor] = target.split('#')
        const source = path.posix.join(path.posix.dirname(file), name)
        const to = pageOf(source)
        const suffix = anchor ? `#${anchor}` : ''
        if (to) {
          const relative = path.posix.relative(path.posix.dirname(page), to)
          return `[${label}](${relative.startsWith('.') ? relative : `./${relative}`}${suffix})`
        }
        const web = repository()
        return web ? `[${label}](${web}/blob/main/${source}${suffix})` : label
      },
    ),
  )
}

/** Applies `change` to everything but fenced code. */
function outsideFences(markdown, change) {
  return markdown
    .split(/(^```.*?^```$)/gms)
    .map((part, i) => (i % 2 ? part : change(part)))
    .join('')
}
