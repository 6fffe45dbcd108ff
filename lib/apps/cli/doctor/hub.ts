/** Can the hub be reached? Only asked with `--online`. */

import { join } from 'node:path'
import { refused, unreachable } from '../../../model/hub/failures.js'
import { NetworkError, send } from '../../../model/hub/http.js'
import { fileUrl, findHub } from '../../../model/hub/hub.js'
import { MODEL_PIN } from '../../../model/pins.js'
import type { Finding } from './finding.js'

const TIMEOUT_MS = 10_000

/** @param dir where the model would go */
export async function hubFindings(dir: string, signal: AbortSignal): Promise<Finding[]> {
  const hub = findHub({})
  const about = { area: 'hub', name: 'Hub' } as const
  if (hub.offline) {
    return [{ ...about, status: 'info', detail: 'HF_HUB_OFFLINE is set: the network is not used' }]
  }
  const target = { hub, file: MODEL_PIN, path: join(dir, MODEL_PIN.name) }
  try {
    const answer = await send(fileUrl(hub, MODEL_PIN), {
      method: 'HEAD',
      // the redirect to where the bytes are says enough
      stayHome: true,
      token: hub.token,
      signal,
      responseTimeout: TIMEOUT_MS,
      stallTimeout: TIMEOUT_MS,
    })
    answer.discard()
    if (answer.status >= 400) throw refused(answer.status, target)
    return [{ ...about, status: 'ok', detail: `${hub.endpoint.host} has ${MODEL_PIN.name}` }]
  } catch (error) {
    if (signal.aborted) throw error
    const failure = error instanceof NetworkError ? unreachable(error, false, target) : error
    const detail = (failure as Error).message
    return [{ ...about, status: 'warning', detail, advice: 'Needed for `bge-m3 model pull` only.' }]
  }
}
