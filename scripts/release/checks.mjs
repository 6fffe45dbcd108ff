// What must hold before anything is published. Each check throws with what is wrong, or returns a few
// words; `context` is what they share: { root, manifest, publish, targets, out }.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { symbolProblems } from '../check-symbols.mjs'
import { noticeProblems } from '../package/notices.mjs'
import { packPackage } from '../package/pack.mjs'
import { makeSbom } from '../package/sbom.mjs'
import { importProblems } from '../pe.mjs'
import { run } from '../run.mjs'
import { prebuildFile, TARGETS } from '../targets.mjs'
import { publishAll } from './publish.mjs'
import { changelogSection, isVersion } from './version.mjs'

const git = (root, ...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim()

/** A clean tree, whose tag (in CI) is the version's. */
export function tree({ root, manifest, publish }) {
  const changed = git(root, 'status', '--porcelain')
  if (publish && changed) throw new Error(`uncommitted changes:\n${changed}`)
  const tag = process.env.GITHUB_REF_TYPE === 'tag' ? process.env.GITHUB_REF_NAME : undefined
  if (tag && tag !== `v${manifest.version}`) throw new Error(`tag ${tag}, not v${manifest.version}`)
  return `${git(root, 'rev-parse', '--short', 'HEAD')}${changed ? ', with uncommitted changes' : ''}`
}

export function version({ root, manifest }) {
  const lock = JSON.parse(fs.readFileSync(path.join(root, 'package-lock.json'), 'utf8'))
  if (!isVersion(manifest.version)) throw new Error(`${manifest.version} is no version`)
  if (lock.version !== manifest.version || lock.packages[''].version !== manifest.version) {
    throw new Error(`package-lock.json says ${lock.version}, package.json ${manifest.version}`)
  }
  return manifest.version
}

/** A dry run may come before `prepare` has dated the section. */
export function changelog({ root, manifest, publish }) {
  const text = fs.readFileSync(path.join(root, 'CHANGELOG.md'), 'utf8')
  if (changelogSection(text, manifest.version)) return `section ${manifest.version}`
  if (!publish && changelogSection(text, 'Unreleased')) return 'still unreleased: run `prepare`'
  throw new Error(`CHANGELOG.md has no section [${manifest.version}]`)
}

/** npm ties a provenance statement to the repository that package.json names. */
export function repository({ manifest }) {
  const here = process.env.GITHUB_REPOSITORY
  const named = /github\.com\/([^/]+\/[^/.]+)/.exec(manifest.repository?.url ?? '')?.[1]
  if (!named) throw new Error('package.json names no GitHub repository')
  if (here && here !== named) throw new Error(`package.json names ${named}, this is ${here}`)
  if (!manifest.publishConfig?.provenance) throw new Error('publishConfig.provenance is not set')
  return named
}

/** All there, and fit for the oldest systems that are promised. */
export function prebuilds({ targets }) {
  const missing = targets.filter((name) => !fs.existsSync(prebuildFile(name)))
  if (missing.length > 0) throw new Error(`missing: ${missing.join(', ')} (npm run prebuild:all)`)
  const problems = targets.flatMap((name) => {
    const { platform, libc } = TARGETS[name]
    const file = prebuildFile(name)
    const found =
      platform === 'linux'
        ? symbolProblems(file, { libc })
        : platform === 'win32'
          ? importProblems(file)
          : []
    return found.map((problem) => `${name}: ${problem}`)
  })
  if (problems.length > 0) throw new Error(problems.join('\n'))
  return targets.join(', ')
}

export async function notices() {
  const problems = await noticeProblems()
  if (problems.length > 0) throw new Error(problems.join('\n'))
}

export async function sbom({ root, out }) {
  const date = new Date(git(root, 'log', '-1', '--format=%cI'))
  const document = await makeSbom({ date })
  fs.writeFileSync(path.join(out, 'sbom.cdx.json'), `${JSON.stringify(document, null, 2)}\n`)
  return `${document.components.length} components`
}

/** The very files that are checked below, and then published. */
export function pack(context) {
  const { out, targets, local } = context
  context.packed = packPackage({ out, targets, local })
  return [context.packed, ...context.packed.platforms]
    .map(({ id, size }) => `${id} (${(size / 1e6).toFixed(1)} MB)`)
    .join(', ')
}

export function publint({ root, packed }) {
  const script = path.join(root, 'node_modules/publint/src/cli.js')
  for (const { file } of [packed, ...packed.platforms])
    run(process.execPath, [script, 'run', file, '--strict'], { quiet: true })
}

export function types({ root, packed }) {
  const script = path.join(root, 'node_modules/@arethetypeswrong/cli/dist/index.js')
  run(process.execPath, [script, packed.file, '--no-emoji'], { quiet: true })
}

/** The tarballs on all versions of Node, in a worker, bundled and traced. */
export function use({ root, out }) {
  run(process.execPath, [path.join(root, 'scripts/check-package.mjs'), '--tarball', out])
}

/** All of CI: lint, types, C++ and TypeScript tests. */
export function tests({ root }) {
  run('bash', [path.join(root, '.ci/run')], { cwd: root })
}

export function publish({ packed, publish: real }) {
  publishAll(packed, real ? ['--provenance'] : ['--dry-run', '--provenance=false'])
  return real ? 'published' : 'dry run'
}
