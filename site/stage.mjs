// Puts the Markdown that VitePress reads into .build/site-src: docs/, README, changelog and the like,
// and a page an example.
import fs from 'node:fs'
import path from 'node:path'
import { home as title } from './home.mjs'
import { pageOf, projectPages, rewriteLinks } from './links.mjs'
import { root, staged } from './paths.mjs'

const read = (file) => fs.readFileSync(path.join(root, file), 'utf8')

function write(page, markdown) {
  const file = path.join(staged, page)
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, markdown)
}

/** Comments tell the tests how to run a block; readers do not need them. */
const withoutComments = (markdown) => markdown.replace(/^<!--.*?-->\n/gms, '')

export function stage() {
  fs.rmSync(staged, { recursive: true, force: true })
  for (const name of fs.readdirSync(path.join(root, 'docs'), { recursive: true })) {
    if (name.endsWith('.md')) put(path.posix.join('docs', name.split(path.sep).join('/')))
  }
  for (const [file] of projectPages()) if (file !== 'README.md') put(file)
  home()
  for (const name of fs.readdirSync(path.join(root, 'examples')).sort()) example(name)
}

function put(file) {
  write(pageOf(file), withoutComments(rewriteLinks(read(file), file)))
}

/** The README behind a title, which says what its heading and first paragraph do, and shows its chart. */
function home() {
  const readme = withoutComments(
    rewriteLinks(read('README.md').replace(/^!\[.*\n/m, ''), 'README.md'),
  )
  write(
    'index.md',
    `---\n${JSON.stringify(title)}\n---\n\n${readme.slice(readme.indexOf('\n```sh') + 1)}`,
  )
  fs.cpSync(path.join(root, 'docs', 'images'), path.join(staged, 'public', 'images'), {
    recursive: true,
  })
}

const LANGUAGES = {
  '.mjs': 'js',
  '.cjs': 'js',
  '.js': 'js',
  '.ts': 'ts',
  '.html': 'html',
  '.json': 'json',
}

/** An example's README, if it has one, and its files. */
function example(name) {
  const folder = path.posix.join('examples', name)
  if (!fs.statSync(path.join(root, folder)).isDirectory()) return
  const files = fs
    .readdirSync(path.join(root, folder), { recursive: true })
    .map((file) => file.split(path.sep).join('/'))
    .filter((file) => !/(^|\/)(node_modules|dist|out)(\/|$)/.test(file))
    .sort()
  const page = [`# Example: ${name}\n`]
  if (files.includes('README.md')) {
    const readme = withoutComments(rewriteLinks(read(`${folder}/README.md`), `${folder}/README.md`))
    page.push(readme.replace(/^# .*\n/, ''))
  }
  for (const file of files) {
    const language = LANGUAGES[path.extname(file)]
    if (!language || file.endsWith('package-lock.json')) continue
    page.push(
      `## ${file}\n`,
      `\`${folder}/${file}\`\n`,
      `\`\`\`${language}\n${read(`${folder}/${file}`).trimEnd()}\n\`\`\`\n`,
    )
  }
  if (files.some((file) => file.endsWith('.ipynb')))
    page.push(`A notebook: \`${folder}/${files.find((file) => file.endsWith('.ipynb'))}\`.\n`)
  write(`examples/${name}.md`, page.join('\n'))
}
