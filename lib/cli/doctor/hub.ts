/** Can the hub be reached? Only asked with `--online`. */

import { findHub } from '../../model/download/hub.js'
import { PATIENCE } from '../../model/download/options.js'
import { resolvePin } from '../../model/download/resolve-pin.js'
import { MODEL_PIN } from '../../model/pins.js'
import { formatSize } from '../../units.js'
import type { Finding } from './finding.js'

export async function hubFindings(dir: string, signal: AbortSignal): Promise<Finding[]> {
  const hub = findHub({})
  const { name, repository, revision } = MODEL_PIN
  const patience = { ...PATIENCE, retries: 0, firstRetries: 0, responseTimeout: 10_000 }
  const about = { area: 'hub', name: 'Hub' } as const
  if (hub.offline) {
    return [{ ...about, status: 'info', detail: 'HF_HUB_OFFLINE is set: the network is not used' }]
  }
  try {
    const context = { hub, dir, patience, signal }
    const { size } = await resolvePin({ name, repository, revision }, context)
    const detail = `${hub.endpoint.host} has ${name} (${formatSize(size)})`
    return [{ ...about, status: 'ok', detail }]
  } catch (error) {
    if (signal.aborted) throw error
    const detail = (error as Error).message
    return [{ ...about, status: 'warning', detail, advice: 'Needed for `bge-m3 model pull` only.' }]
  }
}
