// The npm package of each target of scripts/targets.mjs: one addon, installed where it fits.
//   node scripts/package/platforms.mjs     lint: fails where something else tells of other targets
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { root } from '../paths.mjs'
import { TARGETS } from '../targets.mjs'

const read = (name) => fs.readFileSync(path.join(root, name), 'utf8')
const manifest = JSON.parse(read('package.json'))

/** lib/native/paths.ts asks for the same name. */
export const packageName = (target) => `@bge-m3-node/${target}`

/** Its addon, in the package's folder. */
export const ADDON = 'bge-m3-node.node'

/**
 * What the packed package.json asks for; the checkout's own asks for none of them. A clone could not
 * install what its own version has yet to publish, and package-lock.json has no checksum of it before.
 */
export function optionalDependencies(targets) {
  return Object.fromEntries(targets.map((target) => [packageName(target), manifest.version]))
}

/** package.json of a target's package. */
export function platformManifest(target) {
  const { platform, arch, libc } = TARGETS[target]
  const { version, license, homepage, repository, bugs, publishConfig, engines } = manifest
  return {
    name: packageName(target),
    version,
    description: `The native part of bge-m3-node for ${target}.`,
    license,
    homepage,
    repository,
    bugs,
    publishConfig,
    engines,
    os: [platform],
    cpu: [arch],
    ...(libc && { libc: [libc] }),
    main: ADDON,
    files: [ADDON, 'THIRD_PARTY_NOTICES.md'],
    preferUnplugged: true, // Yarn: no system loads a library out of a zip
  }
}

export function platformReadme(target) {
  return `# ${packageName(target)}

The native part of [bge-m3-node](${manifest.homepage}) for ${target}. \`npm install bge-m3-node\` installs it
where it fits; there is nothing to use in it by itself.
`
}

function problems() {
  const own = Object.keys(manifest.optionalDependencies ?? {})
  const table = read('docs/platforms.md')
  return [
    ...own.map((name) => `package.json: ${name} belongs into the packed one alone (pack.mjs)`),
    ...Object.entries(TARGETS).flatMap(([target, { platform, arch, libc }]) => [
      ...(target === `${platform}-${arch}${libc === 'musl' ? '-musl' : ''}`
        ? []
        : [`scripts/targets.mjs: ${target} is not how lib/native/platform.ts names it`]),
      ...(table.includes(`| \`${packageName(target)}\` |`)
        ? []
        : [`docs/platforms.md: its table has no ${packageName(target)}`]),
    ]),
  ]
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const problem of problems()) {
    console.error(problem)
    process.exitCode = 1
  }
}
