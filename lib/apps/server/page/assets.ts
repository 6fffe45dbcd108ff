/** The page's files: `scripts/build.mjs` puts them into `dist/page`, from where they are read once. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { packageRoot } from '../../../native/paths.js'

interface Asset {
  url: string
  /** Content type. */
  type: string
  body: Buffer
  etag: string
}

const FILES = [
  { url: '/', file: 'index.html', type: 'text/html; charset=utf-8' },
  { url: '/page/app.js', file: 'app.js', type: 'text/javascript; charset=utf-8' },
  { url: '/page/theme.js', file: 'theme.js', type: 'text/javascript; charset=utf-8' },
  { url: '/page/style.css', file: 'style.css', type: 'text/css; charset=utf-8' },
  { url: '/page/icon.svg', file: 'icon.svg', type: 'image/svg+xml' },
] as const

interface PageOptions {
  /** Whether there is documentation at /docs to link to. */
  docs: boolean
  /** Where the files are, if not in this package. */
  directory?: string
}

const DOCS_LINK = '<a href="docs">API</a>'

/** @throws Error that says what to do when a file is not there */
export function readAssets({
  docs,
  directory = path.join(packageRoot(), 'dist', 'page'),
}: PageOptions): Promise<Asset[]> {
  return Promise.all(
    FILES.map(async ({ url, file, type }) => {
      let body = await readFile(path.join(directory, file)).catch((cause: unknown) => {
        const message = `The page's ${file} is not in ${directory}: run \`npm run build\`, or switch the page off (page: false).`
        throw new Error(message, { cause })
      })
      if (url === '/' && !docs) body = Buffer.from(body.toString().replace(DOCS_LINK, ''))
      const hash = createHash('sha256').update(body).digest('base64url').slice(0, 22)
      return { url, type, body, etag: `"${hash}"` }
    }),
  )
}
