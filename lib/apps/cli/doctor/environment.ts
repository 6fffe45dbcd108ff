/** Environment variables: which are set, which are wrong, which nobody reads. */

import { nearest } from '../../../common/given.js'
import {
  type Environment,
  environmentName,
  OPTION_NAMES,
  OPTIONS,
  type OptionName,
  parseOption,
} from '../../../options/table.js'
import type { Finding } from './finding.js'

/** Variables of ours that are no options of the embedder. */
const OTHERS = [
  'OFFLINE',
  'ADDON',
  'DEBUG',
  'PORT',
  'HOST',
  'API_KEY',
  'BUILD_JOBS',
  'METRICS_PORT',
  'METRICS_HOST',
]
const OTHER_NAMES = OTHERS.map((name) => `BGE_M3_${name}`)
const RESPECTED = [
  'HF_ENDPOINT',
  'HF_TOKEN',
  'HF_HUB_OFFLINE',
  'HF_HOME',
  'HF_HUB_CACHE',
  'LLAMA_CPP_DIR',
]
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
    const finding = setFinding(name, { [name]: text })
    if (!OPTIONS[option].shapesResult) return finding
    return {
      ...finding,
      detail: `${finding.detail}, for commands and the server: no program hears it`,
    }
  } catch (error) {
    const detail = (error as Error).message
    const advice = `Correct ${name} or unset it.`
    return { area: 'environment', name, status: 'problem', detail, advice }
  }
}

function unknownFinding(name: string, known: readonly string[]): Finding {
  const meant = nearest(name, known)
  return {
    area: 'environment',
    name,
    status: 'warning',
    detail: 'is set, and nothing reads it',
    advice: meant === undefined ? `Unset ${name}.` : `Did you mean ${meant}?`,
  }
}
