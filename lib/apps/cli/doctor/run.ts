/** `bge-m3 doctor`: collects the findings, prints them, and says what to do. */

import { throwIfAborted } from '../../../common/abort.js'
import { cacheDir as cacheDirectory } from '../../../common/cache-dir.js'
import { defaultModelDir } from '../../../model/locations.js'
import { platformName } from '../../../native/load.js'
import { environmentName, type OptionValues, parseOption } from '../../../options/table.js'
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

const PATH_OPTIONS = ['model', 'heads', 'cacheDir'] as const
type PathOption = (typeof PATH_OPTIONS)[number]

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
  const { cacheDir, model, heads } = lenientOptions(io, flags)
  let addon: Awaited<ReturnType<typeof nativeReport>>['addon']
  let modelBytes: number | undefined
  const native = await examine('native', 'Binary', async () => {
    const report = await nativeReport()
    addon = report.addon
    return report.findings
  })
  const ofModel = await examine('model', 'Model', async () => {
    const report = await modelReport({ model, heads, cacheDir, env: io.env, signal })
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
  throwIfAborted(signal)
  return [...system, ...native, ...ofModel, ...storage, ...environment, ...hub]
}

/** Options as far as they are right: a wrong variable is a finding here, not the end. */
function lenientOptions(io: CliIo, flags: Flags): Pick<OptionValues, PathOption> {
  const values: Pick<OptionValues, PathOption> = {}
  for (const name of PATH_OPTIONS) {
    const text = (flags[name] as string | undefined) ?? io.env[environmentName(name)]
    try {
      if (text) values[name] = parseOption(name, text, name)
    } catch {
      // reported with the environment
    }
  }
  return values
}

function sections(findings: readonly Finding[]): string {
  const areas = Object.keys(TITLES) as Area[]
  return areas
    .map((area) => {
      const rows = findings.filter((finding) => finding.area === area)
      if (rows.length === 0) return ''
      return `\n${TITLES[area]}\n${table(rows.map(row))}`
    })
    .join('')
}

const SHORT = 90

function row(finding: Finding): string[] {
  const { status, name, detail } = finding
  const shown = isLater(finding) && detail.length > SHORT ? `${detail.slice(0, SHORT)}...` : detail
  return ['', status, name, shown]
}

/** Whether the conclusion says it, in full. */
function isLater({ status, advice }: Finding): boolean {
  return status === 'problem' || advice !== undefined
}

function conclusion(findings: readonly Finding[]): string {
  const later = findings.filter(isLater)
  if (later.length === 0) return '\nNothing is wrong.\n'
  const isBroken = later.some(({ status }) => status === 'problem')
  const title = isBroken ? 'What is wrong, and what to do' : 'It works. What could be better'
  const points = later.map(({ name, detail, advice }, i) => {
    const what = detail.startsWith(name) ? detail : `${name}: ${detail}`
    return [`  ${i + 1}. ${what}`, ...(advice ? [`     ${advice}`] : [])].join('\n')
  })
  return `\n${title}\n${points.join('\n')}\n`
}
