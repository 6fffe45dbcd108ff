// TypeDoc's Markdown numbers some anchors (`#embedderinfo-1`) whose heading stands alone.
import fs from 'node:fs'
import path from 'node:path'
import { slugify } from './slug.mjs'

/** Anchors of a generated page. */
function anchorsOf(markdown) {
  const anchors = new Set()
  const seen = new Map()
  for (const [, title] of markdown.matchAll(/^#+ (.*)$/gm)) {
    const slug = slugify(title.replace(/\\/g, ''))
    const count = seen.get(slug) ?? 0
    seen.set(slug, count + 1)
    anchors.add(count ? `${slug}-${count}` : slug)
  }
  for (const [, id] of markdown.matchAll(/<a id="([^"]+)">/g)) anchors.add(id)
  return anchors
}

/** Takes the number off links to anchors that are there without it. */
export function mendAnchors(folder) {
  const files = fs
    .readdirSync(folder, { recursive: true })
    .filter((name) => name.endsWith('.md'))
    .map((name) => path.join(folder, name))
  const anchors = new Map(files.map((file) => [file, anchorsOf(fs.readFileSync(file, 'utf8'))]))
  for (const file of files) {
    const markdown = fs.readFileSync(file, 'utf8')
    const mended = markdown.replace(/\]\(([^)#\s]*)#([^)\s]+)-\d+\)/g, (link, to, name) => {
      const target = anchors.get(to ? path.resolve(path.dirname(file), to) : file)
      const number = link.slice(link.indexOf('#') + 1, -1)
      return target && !target.has(number) && target.has(name) ? `](${to}#${name})` : link
    })
    if (mended !== markdown) fs.writeFileSync(file, mended)
  }
}
