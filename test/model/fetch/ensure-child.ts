/** Fetches a model in a process of its own: `node child.cjs '{ "model": ..., "options": {...} }'`. */

import { ensureModel } from '../../../lib/model/fetch/ensure.js'

const { model, options } = JSON.parse(process.argv[2] ?? '{}')
process.stdout.write('start\n')
ensureModel(model, options).then(
  (path) => process.stdout.write(`done ${JSON.stringify(path)}\n`),
  (error: Error) => process.stdout.write(`error ${error.name} ${error.message}\n`),
)
