/**
 * Pulls in a process of its own: `node pull-child.cjs '<options as JSON>'`. Writes `start` and then
 * `done <result>` or `error <name> <message>`; ends by itself, or something was left behind.
 */

import { pullModel } from '../../../lib/model/hub/pull.js'

process.stdout.write('start\n')
pullModel(JSON.parse(process.argv[2] ?? '{}')).then(
  (result) => process.stdout.write(`done ${JSON.stringify(result)}\n`),
  (error: Error) => process.stdout.write(`error ${error.name} ${error.message}\n`),
)
