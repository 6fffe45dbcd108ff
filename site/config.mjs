// VitePress' settings: https://vitepress.dev/reference/site-config
import fs from 'node:fs'
import path from 'node:path'
import { defineConfig } from 'vitepress'
import { projectPages } from './links.mjs'
import { entryPoints, repository, root, staged } from './paths.mjs'
import { slugify } from './slug.mjs'

const { version, description } = JSON.parse(
  fs.readFileSync(path.join(root, 'package.json'), 'utf8'),
)

const titleOf = (page) =>
  /^# (.*)$/m.exec(fs.readFileSync(path.join(staged, page), 'utf8'))?.[1].replaceAll('`', '') ??
  page

/** A group of pages that are there; a name may be `page|text`. */
const group = (text, names, extra = {}) => ({
  text,
  ...extra,
  items: names
    .map((name) => name.split('|'))
    .filter(([page]) => fs.existsSync(path.join(staged, `${page}.md`)))
    .map(([page, label]) => ({ text: label ?? titleOf(`${page}.md`), link: `/${page}` })),
})

const GUIDES = [
  group('Start', ['getting-started', 'guides', 'examples']),
  group('Embedding', [
    'choosing-outputs',
    'chunk-sizes',
    'documents',
    'memory',
    'caching',
    'exactness',
    'performance',
  ]),
  group('Running it', [
    'platforms',
    'worker',
    'electron',
    'bundlers',
    'server',
    'page',
    'docker',
    'queue',
    'many-machines',
  ]),
  group('Storing and searching', ['postgres', 'qdrant', 'search', 'rerank', 'adapters']),
  group('Judging', ['quality', 'reports', 'benchmarks']),
  group('Coming from', [
    'migration/flagembedding',
    'migration/node-llama-cpp',
    'migration/transformers-js',
    'migration/openai',
  ]),
  group('Looking up', [
    'api',
    'cli',
    'environment',
    'troubleshooting',
    'outputs-and-scores',
    'tokenizer',
    'models',
    'model-files',
  ]),
  group(
    'Project',
    projectPages()
      .map(([, page]) => page.replace(/\.md$/, ''))
      .filter((page) => page !== 'index'),
    {
      collapsed: true,
    },
  ),
]

/** A page that no group names would be out of reach: that is a mistake. */
function unlisted() {
  const listed = new Set(
    GUIDES.flatMap(({ items }) => items.map(({ link }) => `${link.slice(1)}.md`)),
  )
  return fs
    .readdirSync(staged, { recursive: true })
    .map((name) => name.split(path.sep).join('/'))
    .filter((name) => name.endsWith('.md') && !/^(reference|examples|\.vitepress)\//.test(name))
    .filter((name) => name !== 'index.md' && !listed.has(name))
}
const lost = unlisted()
if (lost.length > 0) throw new Error(`site/config.mjs has no place for ${lost.join(', ')}`)

const EXAMPLES = fs
  .readdirSync(path.join(staged, 'examples'))
  .sort()
  .map((name) => name.replace(/\.md$/, ''))

const KINDS = ['classes', 'functions', 'interfaces', 'type-aliases', 'variables']

/** A subpath and its symbols, a page each. */
function symbolsOf(name) {
  const items = KINDS.flatMap((kind) => {
    const folder = path.join(staged, 'reference', name, kind)
    if (!fs.existsSync(folder)) return []
    return fs
      .readdirSync(folder)
      .sort()
      .map((file) => file.replace(/\.md$/, ''))
      .map((symbol) => ({ text: symbol, link: `/reference/${name}/${kind}/${symbol}` }))
  })
  return { text: name, link: `/reference/${name}/`, items, collapsed: true }
}

/** As far as the reference was made. */
const REFERENCE = entryPoints()
  .filter(({ name }) => fs.existsSync(path.join(staged, 'reference', name, 'index.md')))
  .map(({ name }) => symbolsOf(name))

const ICON =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#0b6e75"/><path d="M3 12V6m5 6V3m5 9V8" stroke="#fff" stroke-width="2"/></svg>'

export default defineConfig({
  title: 'bge-m3-node',
  description,
  lang: 'en',
  head: [['link', { rel: 'icon', href: `data:image/svg+xml,${encodeURIComponent(ICON)}` }]],
  cleanUrls: false,
  lastUpdated: false,
  ignoreDeadLinks: process.argv.includes('--draft') || REFERENCE.length === 0,
  markdown: {
    anchor: { slugify },
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
  },
  themeConfig: {
    search: {
      provider: 'local',
      options: {
        miniSearch: {
          options: {
            // BGE_M3_CACHE_DIR is one word
            tokenize: (text) => text.split(/(?:(?!_)[\s\p{Z}\p{P}])+/u),
          },
          searchOptions: {
            // who searches has a question; the reference is for who knows the name, and a variable has its page
            boostDocument: (id, term) => {
              if (term.includes('_') && id.startsWith('/environment')) return 50
              if (id.startsWith('/reference/')) return 0.3
              return id.startsWith('/project/') ? 0.5 : 1
            },
          },
        },
      },
    },
    outline: [2, 3],
    nav: [
      { text: 'Guides', link: '/guides' },
      { text: 'Examples', link: '/examples' },
      { text: 'API reference', link: '/reference/' },
      { text: version, link: '/project/changelog' },
    ],
    sidebar: {
      '/reference/': [{ text: 'API reference', link: '/reference/', items: REFERENCE }],
      '/examples/': [
        {
          text: 'Examples',
          link: '/examples',
          items: EXAMPLES.map((name) => ({ text: name, link: `/examples/${name}` })),
        },
      ],
      '/': GUIDES,
    },
    ...(repository() ? { socialLinks: [{ icon: 'github', link: repository() }] } : {}),
  },
})
