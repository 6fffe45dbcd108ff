/** A report as one HTML file that asks nobody for anything. */

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { EmbedderError } from '../../../common/errors.js'
import { packageRoot } from '../../../native/paths.js'
import type { PageData } from '../shared/data.js'
import { html, jsonForScript, type Markup, raw } from './markup.js'
import { STYLE } from './style.js'

export interface DocumentSection {
  /** The anchor. */
  id: string
  title: string
  content: Markup
}

interface DocumentParts {
  title: string
  subtitle: string
  /** Under the subtitle. */
  about?: Markup | null
  sections: readonly DocumentSection[]
  data: PageData
  /** The page's script; see `pageScript`. */
  script: string
}

/**
 * The script that draws charts and map: ECharts and `lib/apps/report/page/client`, bundled when the package
 * is built, so that nothing has to be installed beside it and every report of a version looks the same.
 */
export async function pageScript(
  file: string = path.join(packageRoot(), 'dist', 'report', 'page.js'),
): Promise<string> {
  const script = await readFile(file, 'utf8').catch((cause: unknown) => {
    const what = `The script of reports is not at ${file}: reinstall the package, or npm run build.`
    throw new EmbedderError('INVALID_INPUT', what, { cause })
  })
  return inScript(script)
}

/** As it may stand between `<script>` and `</script>`: neither it nor a comment may end or begin. */
export function inScript(script: string): string {
  return script
    .replace(/\r\n?/g, '\n')
    .replace(/<\/(script)/gi, '<\\/$1')
    .replace(/<(!--)/gi, '\\x3C$1')
    .replace(/^\/\/# sourceMappingURL=.*$/m, '')
    .trim()
}

/** Only the one script and the one style may be used: not by a name, by their hashes. */
export function document({
  title,
  subtitle,
  about,
  sections,
  data,
  script,
}: DocumentParts): string {
  const policy = [
    "default-src 'none'",
    `script-src ${hashOf(script)}`,
    `style-src ${hashOf(STYLE)}`,
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ')
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<style>${raw(STYLE)}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the report</a>
<header><h1>${title}</h1><p>${subtitle}</p>${about}</header>
<nav aria-label="Sections"><ul>${sections.map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>`)}</ul></nav>
<main id="main">
${sections.map(
  ({ id, title, content }) => html`<section id="${id}" aria-labelledby="${id}-title">
<h2 id="${id}-title">${title}</h2>
${content}
</section>
`,
)}</main>
<footer>Made by bge-m3-node. Charts by Apache ECharts (Apache License 2.0). This file works without a network.</footer>
<script type="application/json" id="report-data">${jsonForScript(data)}</script>
<script>${raw(script)}</script>
</body>
</html>
`
  return page.text
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}
