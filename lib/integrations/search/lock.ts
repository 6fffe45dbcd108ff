/**
 * One update at a time: a transaction that is held open on a small database beside the index. The system
 * lets go of it when the process ends, however it ends, so a lock never outlives its owner.
 */

import { join } from 'node:path'
import { StoreError } from '../../common/errors.js'
import { Database } from './database.js'

export interface UpdateLock {
  release(): void
}

/** @throws StoreError at once when somebody else has it */
export async function lockForUpdate(store: string): Promise<UpdateLock> {
  const db = await Database.open(join(store, 'lock.db'), 0)
  try {
    db.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    db.close()
    if (!(error instanceof StoreError && error.transient)) throw error
    throw new StoreError(
      `The index in ${store} is being updated by another process; search works meanwhile. Try again when it is done.`,
      { cause: error, transient: true },
    )
  }
  return {
    release() {
      db.exec('ROLLBACK')
      db.close()
    },
  }
}
