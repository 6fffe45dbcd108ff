/**
 * What is shipped as an addon: it asks the system for nothing that an old system lacks, and a processor
 * below the floor gets an error. Looks at what `npm run build` made, which is what `npm run prebuild`
 * ships, and at every file that lies in prebuilds/.
 */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { GLIBC_FLOOR, glibcNeeded, symbolProblems } from '../../scripts/check-symbols.mjs'
import { compareVersions, readElf } from '../../scripts/elf.mjs'
import { importProblems, readPe } from '../../scripts/pe.mjs'
import { hostTarget, prebuildFile, TARGETS } from '../../scripts/targets.mjs'
import { importPackage, root, run } from '../helpers/child.js'
import { has } from '../helpers/needs.mjs'
import { tinyPath } from '../helpers/standins.js'

const shipped = Object.entries(TARGETS).flatMap(([name, target]) => {
  const file = prebuildFile(name)
  return fs.existsSync(file) ? [{ ...target, name, file }] : []
})
const built = path.join(root, 'build/Release/bge_m3_node.node')
const glibcHost = /^linux-(x64|arm64)$/.test(hostTarget())

describe.runIf(glibcHost)('the addon on Linux with glibc', () => {
  it(`runs on glibc ${GLIBC_FLOOR} and needs no C++ library`, () => {
    expect(symbolProblems(built)).toEqual([])
    expect(compareVersions(glibcNeeded(built), GLIBC_FLOOR)).toBeLessThanOrEqual(0)
  })

  it('offers what Node calls, and none of what is linked into it', () => {
    const offered = readElf(built).symbols.filter(({ defined }) => defined)
    expect(offered.map(({ name }) => name)).toContain('napi_register_module_v1')
    expect(offered.filter(({ name }) => /llama_|ggml_|^_Z.*(bge|ggml|llama)/.test(name))).toEqual(
      [],
    )
    // stand-ins of newer functions of glibc stay inside
    expect(offered.filter(({ name }) => /^(fstat|arc4random|_dl_find_object)$/.test(name))).toEqual(
      [],
    )
  })

  it.skipIf(!has('objdump'))('is read as binutils read it', () => {
    const output = (option: string) =>
      execFileSync('objdump', [option, built], { encoding: 'utf8', maxBuffer: 1 << 28 })
    const dynamic = output('-p')
    const table = output('-T')
    const { needed, symbols } = readElf(built)
    expect(needed).toEqual([...dynamic.matchAll(/^ {2}NEEDED +(\S+)$/gm)].map(([, name]) => name))
    const theirs = table.split('\n').filter((line) => line.includes('*UND*'))
    expect(symbols.filter(({ defined }) => !defined)).toHaveLength(theirs.length)
    for (const line of table.matchAll(/\*UND\*\t\S+ +\((\S+)\) +(\S+)$/gm)) {
      const [, version, name] = line
      expect(symbols).toContainEqual(expect.objectContaining({ name, version, defined: false }))
    }
  })

  it('is told from a program that needs more', () => {
    // Node has its C++ library from the system
    const problems = symbolProblems(process.execPath, { floor: '2.2' })
    expect(problems).toContain('needs libstdc++.so.6')
    expect(problems.join('\n')).toMatch(/needs glibc 2\.\d+, the floor is 2\.2$/m)
    expect(problems.join('\n')).toMatch(/needs (GLIBCXX|CXXABI)_/)
  })
})

describe('the reader of ELF and PE files', () => {
  it('refuses what is neither', () => {
    expect(() => readElf(path.join(root, 'package.json'))).toThrow('not an ELF file')
    expect(() => readPe(path.join(root, 'package.json'))).toThrow('not a PE file')
  })

  it('compares versions by number', () => {
    expect(compareVersions('2.3.4', '2.28')).toBe(-1)
    expect(compareVersions('2.28', '2.28')).toBe(0)
    expect(compareVersions('2.100', '2.28')).toBe(1)
  })
})

describe.each(shipped)('prebuilds: $name', ({ file, platform, arch, libc }) => {
  it.runIf(platform === 'linux')('is for its processor and C library, and asks for no more', () => {
    expect(readElf(file).machine).toBe(arch)
    expect(symbolProblems(file, { libc })).toEqual([])
  })

  it.runIf(platform === 'win32')('is for its processor, and asks Windows for no more', () => {
    expect(readPe(file).machine).toBe(arch)
    expect(importProblems(file)).toEqual([])
  })

  it('is stripped', () => {
    expect(fs.statSync(file).size).toBeLessThan(9e6)
  })
})

describe.skipIf(!has('qemu'))('an x86-64 processor', () => {
  const embed = async (cpu: string) =>
    run(
      'qemu-x86_64-static',
      [
        '-cpu',
        cpu,
        fs.realpathSync(process.execPath),
        '--input-type=module',
        '-e',
        await program(),
      ],
      { deadline: 300_000 },
    )

  it('without AVX2 gets UnsupportedCpuError, no signal', async () => {
    const end = await embed('SandyBridge')
    expect(end.stdout).toContain('UnsupportedCpuError UNSUPPORTED_CPU This processor lacks avx2')
    expect([end.signal, end.code]).toEqual([null, 0])
  })
})

async function program() {
  const model = JSON.stringify(await tinyPath())
  return `${importPackage}
    await Embedder.load({ model: ${model}, cache: false }).then(
      () => console.log('loaded'),
      (error) => console.log(error.constructor.name, error.code, error.message),
    )`
}
