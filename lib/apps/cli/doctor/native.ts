/** Does the native part load? Tried in a process of its own first: a wrong binary may crash it. */

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { NativeAddon } from '../../../native/addon.js'
import { addonCandidates, loadAddon, platformName } from '../../../native/load.js'
import { loadAdvice } from '../../../native/load-failure.js'
import type { Finding } from './finding.js'

export interface NativeReport {
  findings: Finding[]
  /** `undefined` when it cannot be loaded. */
  addon: NativeAddon | undefined
}

const PROBE = 'require(process.argv[1]).machine()'
const PROBE_TIMEOUT_MS = 20_000

export async function nativeReport(candidates = addonCandidates()): Promise<NativeReport> {
  const found = candidates.filter((file) => existsSync(file))
  if (found.length === 0) {
    const detail = `There is no binary for ${platformName()}. Looked for: ${candidates.join(', ')}`
    return { findings: [problem(detail)], addon: undefined }
  }
  const findings: Finding[] = []
  for (const file of found) {
    const failure = await probe(file)
    if (failure === undefined) {
      findings.push({ area: 'native', name: 'Binary', status: 'ok', detail: `${file} loads` })
      return { findings, addon: loadAddon([file]) }
    }
    findings.push(problem(`${file} does not load: ${failure}`))
  }
  return { findings, addon: undefined }
}

function problem(detail: string): Finding {
  const advice = `${loadAdvice([detail]).join('; ')}.`
  return { area: 'native', name: 'Binary', status: 'problem', detail, advice }
}

/** What goes wrong when a fresh process loads the file; `undefined` if nothing does. */
function probe(file: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const env = { ...process.env, ELECTRON_RUN_AS_NODE: '1' }
    const options = { env, timeout: PROBE_TIMEOUT_MS, windowsHide: true }
    execFile(process.execPath, ['-e', PROBE, file], options, (error, _stdout, stderr) => {
      if (!error) return resolve(undefined)
      if (error.killed) return resolve('it hangs')
      if (error.signal) return resolve(`it crashes (${error.signal})`)
      // Node prints the throwing line, a blank one, and then `Error: ...`.
      const line = stderr.split('\n').find((text) => /^\w*Error\b.*: /.test(text))
      resolve(line ?? `exit code ${error.code}`)
    })
  })
}
