/** Which file the loader takes, and what it says when none of them can be loaded. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadFailure } from '../../lib/native/load-failure.js'
import { addonCandidates, bundledAddon, platformPackage } from '../../lib/native/paths.js'
import {
  fromInterpreter,
  fromReport,
  glibcVersion,
  libc,
  platformName,
} from '../../lib/native/platform.js'
import { GLIBC_FLOOR } from '../../scripts/check-symbols.mjs'
import { packageName } from '../../scripts/package/platforms.mjs'
import { hostTarget, prebuildFile, TARGETS } from '../../scripts/targets.mjs'
import { importPackage, root, runModule } from '../helpers/child.js'
import { has } from '../helpers/needs.mjs'
import { tinyPath } from '../helpers/standins.js'

const linux = (libc: 'glibc' | 'musl', arch = 'x64') => ({ platform: 'linux', arch, libc })

let folder: string
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'bge-m3-native-'))
})
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }))

function touch(...names: string[]) {
  for (const name of names) {
    const file = path.join(folder, name)
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.writeFileSync(file, '')
  }
}

/** The package of a platform, with a file in place of its addon. */
function install(place: string, version: string) {
  touch(`${place}/bge-m3-node.node`)
  fs.writeFileSync(path.join(folder, place, 'package.json'), JSON.stringify({ version }))
}

/** The packed package.json of a folder, asking for that version of linux-x64's package. */
function asksFor(root: string, version: string) {
  fs.mkdirSync(root, { recursive: true })
  const optionalDependencies = { '@bge-m3-node/linux-x64': version }
  fs.writeFileSync(path.join(root, 'package.json'), JSON.stringify({ optionalDependencies }))
}

const relative = (files: string[]) =>
  files.map((file) => path.relative(folder, file).replaceAll('\\', '/'))

describe('addonCandidates', () => {
  it('takes the prebuilt files of an installed package before a build that may be stale', () => {
    touch('build/Release/bge_m3_node.node')
    expect(relative(addonCandidates(folder, {}, linux('glibc')))).toEqual([
      'prebuilds/linux-x64/bge-m3-node.glibc.node',
      'node_modules/@bge-m3-node/linux-x64/bge-m3-node.node',
      'build/Release/bge_m3_node.node',
    ])
  })

  it("finds the platform's package where Node finds a dependency, in the version that is asked for", () => {
    const found = (place: string, packages: Record<string, string>, wanted = '2.0.0') => {
      const root = path.join(folder, place, 'bge-m3-node')
      asksFor(root, wanted)
      for (const [at, version] of Object.entries(packages)) install(path.join(place, at), version)
      const [, file = ''] = addonCandidates(root, {}, linux('glibc'))
      return path.relative(path.join(folder, place), path.dirname(file)).replaceAll('\\', '/')
    }
    const beside = '@bge-m3-node/linux-x64'
    const inside = `bge-m3-node/node_modules/${beside}`
    expect(found('a/node_modules', { [beside]: '2.0.0' })).toBe(beside)
    expect(found('b/node_modules', { [beside]: '2.0.0', [inside]: '2.0.0' })).toBe(inside)
    expect(found('c/node_modules', { [beside]: '1.0.0' })).toBe(inside)
    expect(found('d/node_modules', { [`${beside}-musl`]: '2.0.0' })).toBe(inside)
  })

  it('takes what was put beside a bundle, which asks for no version', () => {
    install('node_modules/@bge-m3-node/linux-x64', '3.0.0')
    expect(relative(addonCandidates(folder, {}, linux('glibc')))[1]).toBe(
      'node_modules/@bge-m3-node/linux-x64/bge-m3-node.node',
    )
  })

  it("takes a checkout's own build first", () => {
    touch('lib/native/load.ts')
    expect(relative(addonCandidates(folder, {}, linux('glibc')))).toEqual([
      'build/Release/bge_m3_node.node',
      'prebuilds/linux-x64/bge-m3-node.glibc.node',
      'node_modules/@bge-m3-node/linux-x64/bge-m3-node.node',
    ])
  })

  it('never offers one C library the file of the other', () => {
    const musl = addonCandidates(folder, {}, linux('musl', 'arm64')).join()
    expect(musl).toContain('linux-arm64')
    expect(musl).toContain('bge-m3-node.musl.node')
    expect(musl).not.toContain('glibc')
  })

  it('has no C library in the name elsewhere', () => {
    const windows = { platform: 'win32', arch: 'x64', libc: null }
    expect(relative(addonCandidates(folder, {}, windows))[0]).toBe(
      'prebuilds/win32-x64/bge-m3-node.node',
    )
  })

  it('takes BGE_M3_ADDON alone', () => {
    const env = { BGE_M3_ADDON: path.join(folder, 'other.node') }
    expect(addonCandidates(folder, env, linux('glibc'))).toEqual([env.BGE_M3_ADDON])
  })

  it('looks where the scripts put each target', () => {
    for (const [name, { platform, arch, libc = null }] of Object.entries(TARGETS)) {
      const host = { platform, arch, libc }
      expect(prebuildFile(name)).toBe(bundledAddon(root, host))
      expect(packageName(name)).toBe(platformPackage(root, host).name)
    }
    expect(hostTarget()).toBe(platformName())
  })
})

describe('the C library', () => {
  const elf = (interpreter: string, tableAt = 64) => {
    const file = path.join(folder, 'program')
    const bytes = Buffer.alloc(512)
    bytes.writeUInt32BE(0x7f454c46, 0)
    bytes[4] = 2
    bytes.writeBigUInt64LE(BigInt(tableAt), 32)
    bytes.writeUInt16LE(56, 54)
    bytes.writeUInt16LE(2, 56)
    bytes.writeUInt32LE(6, 64) // PT_PHDR comes first
    bytes.writeUInt32LE(3, 64 + 56)
    bytes.writeBigUInt64LE(300n, 64 + 56 + 8)
    bytes.writeBigUInt64LE(BigInt(interpreter.length + 1), 64 + 56 + 32)
    bytes.write(`${interpreter}\0`, 300)
    fs.writeFileSync(file, bytes)
    return file
  }

  it('is told by the ELF interpreter', () => {
    expect(fromInterpreter(elf('/lib/ld-musl-x86_64.so.1'))).toBe('musl')
    expect(fromInterpreter(elf('/lib64/ld-linux-x86-64.so.2'))).toBe('glibc')
    expect(fromInterpreter(elf('/lib/ld-linux-aarch64.so.1'))).toBe('glibc')
  })

  it('is not guessed from what is no such file', () => {
    expect(fromInterpreter(elf('/system/bin/linker64'))).toBeUndefined()
    expect(fromInterpreter(elf('/lib/ld-musl-x86_64.so.1', 1 << 20))).toBeUndefined()
    touch('empty')
    expect(fromInterpreter(path.join(folder, 'empty'))).toBeUndefined()
    expect(fromInterpreter(path.join(folder, 'none'))).toBeUndefined()
  })

  it.runIf(has('linux'))('is the same by the interpreter and the report', () => {
    expect(fromInterpreter(process.execPath)).toBe(fromReport())
    expect(libc()).toBe(fromReport())
    if (libc() === 'glibc') expect(glibcVersion()).toMatch(/^\d+\.\d+$/)
  })
})

describe('a failure', () => {
  it('names platform, C library, processor, files and commands', () => {
    touch('prebuilds/linux-x64/bge-m3-node.musl.node', 'prebuilds/win32-x64/bge-m3-node.node')
    const message = loadFailure(['/x/y.node: not there'], folder, linux('glibc', 'arm64'))
    expect(message).toContain('linux-arm64, glibc')
    expect(message).toContain(os.cpus()[0]?.model.trim() || 'unknown processor')
    expect(message).toContain(`Node ${process.version}`)
    expect(message).toContain('  /x/y.node: not there')
    expect(message).toContain('Prebuilt files that are installed: linux-x64-musl, win32-x64.')
    expect(message).toContain('no prebuilt file for linux-arm64')
    expect(message).toContain('npm install bge-m3-node')
    expect(message).toContain('npm explore bge-m3-node -- npm run build-from-source')
    expect(message).toContain('asarUnpack')
  })

  it('names the package that is missing, its version and the command that brings it', () => {
    asksFor(folder, '1.2.3')
    const message = loadFailure([], folder, linux('glibc'))
    expect(message).toContain('Prebuilt files that are installed: none.')
    expect(message).toContain('@bge-m3-node/linux-x64@1.2.3 is not installed')
    expect(message).toContain('without --omit=optional')
    expect(message).toContain('npm install --no-save @bge-m3-node/linux-x64@1.2.3')
    expect(message).toContain('if the lock file came from another platform')
    expect(message).not.toContain('--force')
  })

  it('says so when node_modules came from another platform, or the package from another version', () => {
    const root = path.join(folder, 'bge-m3-node')
    asksFor(root, '1.2.3')
    install('@bge-m3-node/darwin-arm64', '1.2.3')
    const moved = loadFailure([], root, linux('glibc'))
    expect(moved).toContain('Prebuilt files that are installed: darwin-arm64.')
    expect(moved).toContain('node_modules came from another platform')

    fs.rmSync(path.join(folder, '@bge-m3-node'), { recursive: true })
    install('node_modules/@bge-m3-node/linux-x64', '1.0.0')
    const old = loadFailure([], root, linux('glibc'))
    expect(old).toContain('Prebuilt files that are installed: none.')
    expect(old).toContain('@bge-m3-node/linux-x64@1.2.3 is not installed')
  })

  it('offers no package of a platform that has none', () => {
    asksFor(folder, '1.2.3')
    const message = loadFailure([], folder, { platform: 'freebsd', arch: 'x64', libc: null })
    expect(message).toContain('there is no prebuilt file for freebsd-x64')
    expect(message).not.toContain('@bge-m3-node/freebsd')
  })

  it('says when the C library is too old', () => {
    touch('prebuilds/linux-x64/bge-m3-node.glibc.node')
    const line = "a.node: /lib/libm.so.6: version `GLIBC_2.27' not found (required by a.node)"
    const message = loadFailure([line], folder, linux('glibc'))
    expect(message).toContain(`the prebuilt files need glibc ${GLIBC_FLOOR}`)
  })

  it('says to install again when the file that should do is broken', () => {
    touch('prebuilds/linux-x64/bge-m3-node.glibc.node')
    expect(loadFailure(['a.node: file too short'], folder, linux('glibc'))).toContain(
      'npm install --force bge-m3-node',
    )
    asksFor(folder, '1.2.3')
    fs.rmSync(path.join(folder, 'prebuilds'), { recursive: true })
    install('node_modules/@bge-m3-node/linux-x64', '1.2.3')
    expect(loadFailure(['a.node: file too short'], folder, linux('glibc'))).toContain(
      'npm install --force bge-m3-node',
    )
  })

  it('reaches the user as a typed error', async () => {
    const broken = path.join(folder, 'broken.node')
    fs.writeFileSync(broken, 'no addon')
    const model = await tinyPath()
    const end = await runModule(
      `${importPackage}
       await Embedder.load({ model: ${JSON.stringify(model)} }).catch((e) => console.log(e.code, e.message))`,
      { env: { ...process.env, BGE_M3_ADDON: broken } },
    )
    expect(end.stdout).toMatch(/^MODEL_LOAD bge-m3-node's native part could not be loaded/)
    expect(end.stdout).toContain(`  ${broken}: `)
    expect(end.code).toBe(0)
  })
})

describe('an addon that may not be loaded', () => {
  it.each([
    ['Cannot load native addon because loading addons is disabled.', /--no-addons/],
    ['NotCapable: Requires ffi access to "/x", run again with the --allow-ffi flag', /--allow-ffi/],
  ])('is not missing: %s', (line, remedy) => {
    const message = loadFailure([`/x/bge-m3-node.node: ${line}`], folder, linux('glibc'))
    expect(message).toMatch(remedy)
    expect(message).not.toMatch(/npm install|build it here/)
  })

  it('says so as Node says it', async () => {
    const [addon] = addonCandidates().filter((file) => fs.existsSync(file))
    const source = `import { createRequire } from 'node:module'
      createRequire('${root}/x.js')(${JSON.stringify(addon)})`
    const { stderr } = await runModule(source, { execArgv: ['--no-addons'] })
    expect(stderr).toMatch(/loading addons is disabled/)
  })
})
