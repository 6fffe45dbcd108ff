// The software bill of materials: CycloneDX 1.5, with what the addon is linked from and what dist/ holds of
// others, neither of which npm knows of.
//   node scripts/package/sbom.mjs [--output F]
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { root } from '../paths.mjs'
import { bundledPackages, installedPackages, nativeComponents } from './components.mjs'

/** The same checkout gives the same document. @param date when it was released; default: now */
export async function makeSbom({ date = new Date() } = {}) {
  const { name, version, license, description, repository } = JSON.parse(
    fs.readFileSync(path.join(root, 'package.json'), 'utf8'),
  )
  const main = `pkg:npm/${name}@${version}`
  const installed = installedPackages()
  const bundled = await bundledPackages()
  const native = nativeComponents()
  const components = [
    ...installed.map((entry) => npmComponent(entry)),
    ...bundled.map((entry) => npmComponent(entry, 'dist/report/page.js')),
    ...native.map(nativeComponent),
  ]
  const dependencies = [
    { ref: main, dependsOn: components.map((component) => component['bom-ref']) },
    ...installed.map(({ name: n, version: v, needs }) => ({
      ref: purl(n, v),
      dependsOn: needs.map((need) => `pkg:npm/${encodeScope(need)}`),
    })),
  ]
  const body = {
    metadata: {
      timestamp: date.toISOString(),
      component: {
        'bom-ref': main,
        type: 'library',
        name,
        version,
        description,
        purl: main,
        licenses: [{ license: { id: license } }],
        externalReferences: [{ type: 'vcs', url: repository.url }],
      },
    },
    components,
    dependencies,
  }
  const hash = createHash('sha256')
    .update(JSON.stringify([components, main]))
    .digest('hex')
  const uuid = hash.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, '$1-$2-5$3-8$4-$5')
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.5.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    serialNumber: `urn:uuid:${uuid}`,
    version: 1,
    ...body,
  }
}

function npmComponent({ name, version, license, integrity }, bundledInto) {
  const digest = Buffer.from(integrity.replace('sha512-', ''), 'base64').toString('hex')
  const note = bundledInto && [{ name: 'bge-m3-node:bundled-into', value: bundledInto }]
  return {
    'bom-ref': purl(name, version),
    type: 'library',
    name,
    version,
    scope: 'required',
    purl: purl(name, version),
    hashes: [{ alg: 'SHA-512', content: digest }],
    licenses: [{ license: { id: license } }],
    ...(note && { properties: note }),
  }
}

function nativeComponent({ name, version, license, purl: locator, properties }) {
  // the schema of 1.5 knows the SPDX names of its day
  const named = license === 'Unicode-3.0' ? { name: 'Unicode License v3' } : { id: license }
  const licenses = license.includes(' WITH ') ? { expression: license } : { license: named }
  return {
    'bom-ref': locator ?? `bge-m3-node:native:${name}`,
    type: 'library',
    name,
    version,
    scope: 'required',
    ...(locator && { purl: locator }),
    licenses: [licenses],
    properties: Object.entries(properties).map(([key, value]) => ({ name: key, value })),
  }
}

const encodeScope = (name) => name.replace(/^@/, '%40')
const purl = (name, version) => `pkg:npm/${encodeScope(name)}@${version}`

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { output: { type: 'string' } } })
  const text = `${JSON.stringify(await makeSbom(), null, 2)}\n`
  if (values.output) {
    fs.mkdirSync(path.dirname(path.resolve(values.output)), { recursive: true })
    fs.writeFileSync(values.output, text)
  } else process.stdout.write(text)
}
