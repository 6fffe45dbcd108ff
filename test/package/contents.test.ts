/** What `npm pack` would send: all that a user needs, nothing else, and what tools that judge packages say. */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { builtinModules } from 'node:module'
import path from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { hostTarget, prebuildFile, TARGETS } from '../../scripts/targets.mjs'
import { root, run } from '../helpers/child.js'

interface Entry {
  types: string
  default: string
}
const manifest = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')) as {
  files: string[]
  gypfile: boolean
  bin: Record<string, string>
  scripts: Record<string, string>
  exports: Record<string, string | { import: Entry; require: Entry }>
  typesVersions: Record<string, Record<string, string[]>>
  dependencies: Record<string, string>
  peerDependencies: Record<string, string>
  peerDependenciesMeta: Record<string, { optional: boolean }>
}
const subpaths = Object.entries(manifest.exports).flatMap(([name, entry]) =>
  typeof entry === 'string' ? [] : [[name, entry] as const],
)

const folder = path.join(root, '.build', `packed-${process.pid}`)
const script = path.join(root, 'scripts/package/pack.mjs')

function manifestIn(file: string) {
  const text = execFileSync('tar', ['-xzOf', file, 'package/package.json'], { encoding: 'utf8' })
  return JSON.parse(text)
}

let tarball: string
let files: string[]
let sizes: { size: number; unpackedSize: number }
let platform: { target: string; file: string; size: number; files: { path: string }[] }
beforeAll(() => {
  const args = [script, '--local', '--json', '--out', folder]
  const packed = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }))
  tarball = packed.file
  files = packed.files.map((file: { path: string }) => file.path)
  sizes = packed
  platform = packed.platforms[0]
  return () => fs.rmSync(folder, { recursive: true, force: true })
})

describe('npm pack', () => {
  it('holds these folders and files at the top', () => {
    const top = [...new Set(files.map((file) => file.split('/')[0]))].sort()
    expect(top).toEqual(
      [
        'CHANGELOG.md',
        'CMakeLists.txt',
        'LICENSE',
        'README.md',
        'THIRD_PARTY_NOTICES.md',
        'cmake',
        'dist',
        'docs',
        'llama.lock.json',
        'native',
        'package.json',
        'scripts',
      ].sort(),
    )
  })

  it('holds what every entry of the manifest names', () => {
    const named = subpaths.flatMap(([, { import: esm, require: cjs }]) => [
      esm.types,
      esm.default,
      cjs.types,
      cjs.default,
    ])
    for (const file of [...named, ...Object.values(manifest.bin)]) {
      expect(files).toContain(file.replace('./', ''))
    }
    for (const file of manifest.files.filter((name) => !name.includes('*'))) {
      expect(files.some((packed) => packed === file || packed.startsWith(`${file}/`))).toBe(true)
    }
  })

  it('holds no binary, and asks for the package of each platform in its own version', () => {
    expect(files.filter((file) => /\.(node|so|dll|dylib|exe|a|o)$/.test(file))).toEqual([])
    const { optionalDependencies, version } = manifestIn(tarball)
    expect(optionalDependencies).toEqual(
      Object.fromEntries(Object.keys(TARGETS).map((name) => [`@bge-m3-node/${name}`, version])),
    )
    // a clone installs nothing that is not published
    expect(manifest).not.toHaveProperty('optionalDependencies')
  })

  it('holds what a build from source reads, and no tests, models, maps or settings of ours', () => {
    expect(files).toContain('scripts/build-from-source.mjs')
    const allowed =
      /^(dist\/.*\.(c?js|d\.c?ts|html|css|svg|ico|png|webmanifest)|docs\/.*\.md|scripts\/[a-z-]+\.mjs|native\/(addon|compat|engine|ggml|kernels)\/.*(\.(cpp|h|c|inc|cmake)|CMakeLists\.txt)|cmake\/[a-z0-9-]+\.(cmake|in)|[^/]+)$/
    expect(files.filter((file) => !allowed.test(file))).toEqual([])
    expect(files.filter((file) => /(^|\/)(test|bench|examples)\//.test(file))).toEqual([])
    // every script that a packed script imports is packed as well
    for (const file of files.filter((name) => name.startsWith('scripts/'))) {
      const text = fs.readFileSync(path.join(root, file), 'utf8')
      for (const [, imported = ''] of text.matchAll(/from '(\.[^']+)'/g)) {
        expect(files).toContain(path.posix.join(path.posix.dirname(file), imported))
      }
    }
  })

  it('is small: under 2 MB to fetch, under 6 MB on disk', () => {
    expect(sizes.size).toBeLessThan(2e6)
    expect(sizes.unpackedSize).toBeLessThan(6e6)
  })

  it('can hold the addons itself, and asks for no package then', () => {
    const args = [script, '--local', '--bundled', '--json', '--out', path.join(folder, 'bundled')]
    const bundled = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }))
    const [addon, ...others] = bundled.files
      .map((file: { path: string }) => file.path)
      .filter((file: string) => file.endsWith('.node'))
    expect(path.join(root, addon)).toBe(prebuildFile(hostTarget()))
    expect(others).toEqual([])
    expect(bundled.platforms).toEqual([])
    expect(manifestIn(bundled.file)).not.toHaveProperty('optionalDependencies')
  })
})

describe("a platform's package", () => {
  it('holds the addon, licences and where it may be installed', () => {
    expect(platform.files.map((file) => file.path).sort()).toEqual(
      ['LICENSE', 'README.md', 'THIRD_PARTY_NOTICES.md', 'bge-m3-node.node', 'package.json'].sort(),
    )
    expect(platform.size).toBeLessThan(5e6)
    const { platform: os, arch, libc } = TARGETS[hostTarget()] as (typeof TARGETS)[string]
    expect(manifestIn(platform.file)).toMatchObject({
      name: `@bge-m3-node/${hostTarget()}`,
      license: 'MIT',
      os: [os],
      cpu: [arch],
      ...(libc && { libc: [libc] }),
    })
  })
})

describe('package.json', () => {
  it('never builds or runs anything when it is installed', () => {
    expect(manifest.gypfile).toBe(false)
    expect(files).not.toContain('binding.gyp')
    for (const hook of ['preinstall', 'install', 'postinstall', 'prepare']) {
      expect(manifest.scripts).not.toHaveProperty(hook)
    }
  })

  it('gives old resolvers the types of every subpath', () => {
    const expected = Object.fromEntries(
      subpaths
        .filter(([name]) => name !== '.')
        .map(([name, { require }]) => [name.slice(2), [require.types]]),
    )
    // a subpath is new? `typesVersions` repeats its CommonJS types
    expect(manifest.typesVersions).toEqual({ '*': expected })
  })

  it('depends on what dist imports, and on nothing that it does not', () => {
    const declared = [manifest.dependencies, manifest.peerDependencies].flatMap(Object.keys)
    const imported = new Set<string>()
    for (const file of files.filter((name) =>
      /^dist\/(?!page\/|report\/page).*\.c?js$/.test(name),
    )) {
      const text = fs.readFileSync(path.join(root, file), 'utf8')
      const specifiers = text.matchAll(
        /^(?:import|export)\s[^;'"]*?from ["']([^."'/][^"']*)["']|^import ["']([^."'/][^"']*)["']|\b(?:import|require)\(["']([^."'/][^"']*)["']\)/gm,
      )
      for (const [, from, bare, called] of specifiers) {
        const name = (from ?? bare ?? called) as string
        if (name.startsWith('node:') || builtinModules.includes(name)) continue
        imported.add(/^(@[^/]+\/)?[^/]+/.exec(name)?.[0] as string)
      }
    }
    expect(
      [...imported].filter((name) => !declared.includes(name) && name !== 'bge-m3-node'),
    ).toEqual([])
    expect(Object.keys(manifest.dependencies).filter((name) => !imported.has(name))).toEqual([])
    expect(Object.keys(manifest.peerDependenciesMeta).sort()).toEqual(
      Object.keys(manifest.peerDependencies).sort(),
    )
  })
})

describe('tools that judge packages', () => {
  const tool = (file: string) => path.join(root, 'node_modules', file)

  // seconds on a quiet machine
  const patience = { deadline: 200_000 }

  it('publint has nothing to say', async () => {
    const publint = tool('publint/src/cli.js')
    const end = await run(process.execPath, [publint, 'run', tarball, '--strict'], patience)
    expect(end.stdout).toContain('All good!')
    expect(end.code).toBe(0)
  })

  it('are the types wrong? in no resolution mode', async () => {
    const attw = tool('@arethetypeswrong/cli/dist/index.js')
    const end = await run(
      process.execPath,
      [attw, tarball, '--format', 'ascii', '--no-color'],
      patience,
    )
    expect(end.stdout).toContain('No problems found')
    for (const name of Object.keys(manifest.exports)) {
      expect(end.stdout).toContain(`"${path.posix.join('bge-m3-node', name)}"`)
    }
    expect(end.code).toBe(0)
  })
})
