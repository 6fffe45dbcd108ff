// Links of the built site: every page, file and anchor that a page names is there.
import fs from 'node:fs'
import path from 'node:path'

/** @returns {string[]} a line a broken link */
export function checkSite(folder) {
  const files = new Set(
    fs.readdirSync(folder, { recursive: true }).map((name) => `/${name.split(path.sep).join('/')}`),
  )
  const pages = new Map()
  for (const file of files) {
    if (!file.endsWith('.html')) continue
    const html = fs.readFileSync(path.join(folder, file), 'utf8').replace(/<!--.*?-->/gs, '')
    const all = (pattern) => [...html.matchAll(pattern)].map(([, value]) => decoded(value))
    pages.set(file, {
      ids: new Set(all(/\sid="([^"]*)"/g)),
      links: all(/<a\s[^>]*?href="([^"]*)"/g),
    })
  }
  const problems = []
  for (const [page, { links }] of pages) {
    for (const link of new Set(links)) {
      if (/^https?:/.test(link)) {
        if (!URL.canParse(link)) problems.push(`${page} -> ${link}: no address`)
        continue
      }
      const { pathname, hash } = new URL(link, `http://site${page}`)
      const target = [
        pathname,
        `${pathname}.html`,
        `${pathname.replace(/\/$/, '')}/index.html`,
      ].find((name) => files.has(decodeURIComponent(name)) && path.extname(name))
      if (!target) problems.push(`${page} -> ${link}: no such page`)
      else if (hash && !pages.get(target)?.ids.has(decodeURIComponent(hash.slice(1))))
        problems.push(`${page} -> ${link}: no such heading`)
    }
  }
  return problems
}

function decoded(text) {
  return text.replaceAll('&amp;', '&').replaceAll('&quot;', '"').replaceAll('&#39;', "'")
}
