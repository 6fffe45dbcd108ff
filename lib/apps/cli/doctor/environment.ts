/** Environment variables: which are set, which are wrong, which nobody reads. */

import {
  type Environment,
  environmentName,
  OPTION_NAMES,
  type OptionName,
  parseOption,
} from '../../../options/table.js'
import type { Finding } from './finding.js'

/** Variables of ours that are no options of the embedder. */
const OTHERS = ['ADDON', 'DEBUG', 'PORT', 'HOST', 'API_KEY', 'BUILD_JOBS']
const OTHER_NAMES = OTHERS.map((name) => `BGE_M3_${name}`)
const RESPECTED = ['HF_ENDPOINT', 'HF_TOKEN', 'HF_HUB_OFFLINE', 'LLAMA_CPP_DIR']
const SECRET = /TOKEN|KEY/

export function environmentFindings(env: Environment): Finding[] {
  const options = new Map(OPTION_NAMES.map((name) => [environmentName(name), name]))
  const known = [...options.keys(), ...OTHER_NAMES]
  const names = Object.keys(env).filter(
    (name) => (name.startsWith('BGE_M3_') || RESPECTED.includes(name)) && env[name],
  )
  const findings = names.sort().map((name): Finding => {
    const option = options.get(name)
    if (option) return optionFinding(name, option, env[name] as string)
    if (known.includes(name) || RESPECTED.includes(name)) return setFinding(name, env)
    return unknownFinding(name, known)
  })
  if (findings.length > 0) return findings
  const detail = 'no BGE_M3_ or HF_ variables are set'
  return [{ area: 'environment', name: 'Variables', status: 'ok', detail }]
}

function setFinding(name: string, env: Environment): Finding {
  const detail = SECRET.test(name) ? 'is set' : `is ${env[name]}`
  return { area: 'environment', name, status: 'info', detail }
}

function optionFinding(name: string, option: OptionName, text: string): Finding {
  try {
    parseOption(option, text, name)
    return setFinding(name, { [name]: text })
  } catch (error) {
    const detail = (error as Error).message
    const advice = `Correct ${name} or unset it.`
    return { area: 'environment', name, status: 'problem', detail, advice }
  }
}

function unknownFinding(name: string, known: readonly string[]): Finding {
  const nearest = known
    .map((candidate) => ({ candidate, distance: editDistance(name, candidate) }))
    .sort((a, b) => a.distance - b.distance)[0]
  const isNear = nearest !== undefined && nearest.distance <= 3
  return {
    area: 'environment',
    name,
    status: 'warning',
    detail: 'is set, and nothing reads it',
    advice: isNear ? `Did you mean ${nearest.candidate}?` : `Unset ${name}.`,
  }
}

/** Levenshtein's distance. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(swap, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[b.length] as number
}
