/** `bge-m3 doctor`: collects the findings, prints them, and says what to do. */

import { type OptionValues, parseOption } from '../../config.js'
import { cacheDir as cacheDirectory, defaultModelDir } from '../../model/locations.js'
import { platformName } from '../../native/load.js'
import { EXIT } from '../shared/errors.js'
import type { CliIo } from '../shared/io.js'
import type { Flags } from '../shared/options.js'
import { table } from '../shared/table.js'
import { packageVersion } from '../shared/version.js'
import { environmentFindings } from './environment.js'
import { type Area, examine, type Finding } from './finding.js'
import { hubFindings } from './hub.js'
import { modelReport } from './model.js'
import { nativeReport } from './native.js'
import { storageFindings } from './storage.js'
import { systemFindings, thisHost } from './system.js'

const TITLES: Record<Area, string> = {
  system: 'System',
  native: 'Native part',
  model: 'Model',
  storage: 'Storage',
  environment: 'Environment',
  hub: 'Hub',
}

export async function runDoctor(io: CliIo, flags: Flags): Promise<number> {
  const findings = await collect(io, flags)
  const problems = findings.filter((finding) => finding.status === 'problem')
  const version = packageVersion()
  if (flags.json) {
    const report = { version, platform: platformName(), ok: problems.length === 0, findings }
    io.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
  } else {
    io.stdout.write(`bge-m3-node ${version}\n${sections(findings)}${conclusion(findings)}`)
  }
  if (problems.length === 0) return EXIT.done
  return problems.every(({ area }) => area === 'model') ? EXIT.model : EXIT.failed
}

async function collect(io: CliIo, flags: Flags): Promise<Finding[]> {
  const { signal } = io
  const { cacheDir, model } = lenientOptions(io, flags)
  let addon: Awaited<ReturnType<typeof nativeReport>>['addon']
  let modelBytes: number | undefined
  const native = await examine('native', 'Binary', async () => {
    const report = await nativeReport()
    addon = report.addon
    return report.findings
  })
  const ofModel = await examine('model', 'Model', async () => {
    const report = await modelReport({ model, cacheDir, env: io.env, signal })
    modelBytes = report.bytes
    return report.findings
  })
  const system = await examine('system', 'System', () =>
    systemFindings(thisHost(), addon?.machine(), modelBytes),
  )
  const storage = await examine('storage', 'Cache', () => storageFindings(cacheDirectory(cacheDir)))
  const environment = await examine('environment', 'Variables', () => environmentFindings(io.env))
  const hub = flags.online
    ? await examine('hub', 'Hub', () => hubFindings(defaultModelDir(cacheDir), signal))
    : []
  signal.throwIfAborted()
  return [...system, ...native, ...ofModel, ...storage, ...environment, ...hub]
}

/** Options as far as they are right: a wrong variable is a finding here, not the end. */
function lenientOptions(io: CliIo, flags: Flags): Pick<OptionValues, 'model' | 'cacheDir'> {
  const value = (name: 'model' | 'cacheDir', variable: string) => {
    const text = (flags[name] as string | undefined) ?? io.env[variable]
    try {
      return text ? parseOption(name, text, variable) : undefined
    } catch {
      return undefined
    }
  }
  return { model: value('model', 'BGE_M3_MODEL'), cacheDir: value('cacheDir', 'BGE_M3_CACHE_DIR') }
}

function sections(findings: readonly Finding[]): string {
  const areas = Object.keys(TITLES) as Area[]
  return areas
    .map((area) => {
      const rows = findings.filter((finding) => finding.area === area)
      if (rows.length === 0) return ''
      const cells = rows.map(({ status, name, detail }) => ['', status, name, detail])
      return `\n${TITLES[area]}\n${table(cells)}`
    })
    .join('')
}

function conclusion(findings: readonly Finding[]): string {
  const advised = findings.filter(({ status, advice }) => status === 'problem' || advice)
  if (advised.length === 0) return '\nNothing is wrong.\n'
  const worst = advised.some(({ status }) => status === 'problem')
  const lines = advised.map(
    ({ name, detail, advice }, i) => `  ${i + 1}. ${name}: ${detail}\n     ${advice ?? ''}`,
  )
  return `\n${worst ? 'What is wrong, and what to do' : 'It works. What could be better'}\n${lines.join('\n').replace(/\s+$/gm, '')}\n`
}
