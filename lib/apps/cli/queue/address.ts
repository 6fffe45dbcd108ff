/** Which queue a command is about. */

import type { QueueAddress } from '../../../integrations/queue/open.js'
import type { CliIo } from '../shared/io.js'
import type { Flags } from '../shared/options.js'
import { present } from '../shared/present.js'

const HERE = 'redis://localhost:6379'

export function queueAddress(io: CliIo, flags: Flags): QueueAddress {
  const { redis, queue, prefix } = flags as { redis?: string; queue?: string; prefix?: string }
  return { redis: redis || io.env.REDIS_URL || HERE, ...present({ queue, prefix }) }
}
