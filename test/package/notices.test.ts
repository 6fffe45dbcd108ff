/** Licences and the bill of materials, held to package-lock.json, the bundles and llama.cpp's own licence. */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { root, run } from '../helpers/child.js'

const script = (name: string) => path.join(root, 'scripts/package', name)
const notices = fs.readFileSync(path.join(root, 'THIRD_PARTY_NOTICES.md'), 'utf8')
const lock = JSON.parse(fs.readFileSync(path.join(root, 'llama.lock.json'), 'utf8'))

/** What the checker says of another text. */
function problemsOf(text: string): string[] {
  const program = `import { noticeProblems } from ${JSON.stringify(script('notices.mjs'))}
    import fs from 'node:fs'
    console.log(JSON.stringify(await noticeProblems(fs.readFileSync(0, 'utf8'))))`
  const args = ['--input-type=module', '-e', program]
  return JSON.parse(execFileSync(process.execPath, args, { input: text, encoding: 'utf8' }))
}

describe('THIRD_PARTY_NOTICES.md', () => {
  it('names everything that a user gets', async () => {
    expect(await run(process.execPath, [script('notices.mjs')])).toMatchObject({
      stdout: '',
      stderr: '',
      code: 0,
    })
  })

  it('is found out when something is missing, wrong or left over', () => {
    const missing = problemsOf(
      notices
        .replace(/^\| commander.*\n/m, '| left-pad | MIT | nobody |\n')
        .replace('BSD 3-Clause:', 'a licence:')
        .replace('Blue Oak Model License 1.0.0', 'MIT')
        .replace(/2023-2026 The ggml authors/, '2023 nobody')
        .replace('### Unicode data', '### Data'),
    )
    expect(missing).toEqual([
      'commander (MIT) is not named under npm packages',
      'lru-cache: its entry must say BlueOak-1.0.0',
      'zrender: its entry must say BSD-3-Clause',
      'left-pad is named, and not installed any more',
      'Unicode Character Database: no heading "Unicode data"',
      'llama.cpp: its licence says "Copyright (c) 2023-2026 The ggml authors"',
    ])
  })
})

describe('the bill of materials', () => {
  interface Component {
    'bom-ref': string
    name: string
    version: string
    purl?: string
    licenses: unknown[]
  }
  const sbom = JSON.parse(
    execFileSync(process.execPath, [script('sbom.mjs')], { encoding: 'utf8' }),
  ) as {
    serialNumber: string
    components: Component[]
    dependencies: { ref: string; dependsOn: string[] }[]
    metadata: { component: { 'bom-ref': string } }
  }

  it('is CycloneDX, with references that lead somewhere', () => {
    expect(sbom).toMatchObject({ bomFormat: 'CycloneDX', specVersion: '1.5', version: 1 })
    expect(sbom.serialNumber).toMatch(
      /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    )
    const refs = [...sbom.components, sbom.metadata.component].map((c) => c['bom-ref'])
    expect(new Set(refs).size).toBe(refs.length)
    for (const { ref, dependsOn } of sbom.dependencies) {
      for (const to of [ref, ...dependsOn]) expect(refs).toContain(to)
    }
    for (const { licenses } of sbom.components) expect(licenses).toHaveLength(1)
  })

  it('holds llama.cpp at the pinned version, what npm installs, and what is bundled', () => {
    const byName = new Map(sbom.components.map((component) => [component.name, component]))
    expect(byName.get('llama.cpp')).toMatchObject({
      version: lock.tag,
      purl: `pkg:github/ggml-org/llama.cpp@${lock.tag}`,
    })
    for (const name of ['commander', 'ms', 'agent-base', 'echarts', 'zrender']) {
      expect(byName.get(name)?.purl).toMatch(new RegExp(`^pkg:npm/${name}@\\d`))
    }
  })

  it('says the same of the same checkout', () => {
    const again = execFileSync(process.execPath, [script('sbom.mjs')], { encoding: 'utf8' })
    const { serialNumber, components } = JSON.parse(again)
    expect({ serialNumber, components }).toEqual({
      serialNumber: sbom.serialNumber,
      components: sbom.components,
    })
  })
})
