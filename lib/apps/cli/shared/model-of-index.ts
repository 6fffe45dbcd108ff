/** Which model a command takes that asks an index. */

import { existsSync } from 'node:fs'
import { openIndex } from '../../../integrations/search/search-index.js'
import type { OptionValues } from '../../../options/table.js'
import { UsageError } from './errors.js'

/** The model that is named, else the one that made the index. Also says at once if there is no index. */
export async function modelOfIndex(values: OptionValues, store: string): Promise<OptionValues> {
  const index = await openIndex(store, { create: false })
  try {
    const made = (await index.stats()).model
    if (!made) throw new UsageError(`The index in ${index.folder} is empty: index files first.`)
    const isKnown = values.model === undefined && existsSync(made.file)
    return isKnown ? { ...values, model: made.file } : values
  } finally {
    await index.close()
  }
}
