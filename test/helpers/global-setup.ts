/** Builds what the tests need (nothing, when it is there) and makes the stand-in models they share. */
import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { skips } from './needs.mjs'
import { standinPath } from './standins.js'

const root = path.resolve(import.meta.dirname, '../..')

export default async function setup(): Promise<void> {
  if (!process.env.BGE_M3_TEST_SKIPS_SAID) {
    for (const line of skips()) console.warn(`SKIPPED: ${line}`)
    process.env.BGE_M3_TEST_SKIPS_SAID = '1'
  }
  execFileSync(process.execPath, [path.join(root, 'scripts/build.mjs'), '--if-needed'], {
    stdio: 'inherit',
  })
  await standinPath({ size: 'tiny' })
  await standinPath({ size: 'small' })
}
