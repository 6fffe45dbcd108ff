/**
 * The tarball in a fresh folder, installed without scripts and with nothing but node on the PATH:
 * scripts/check-package.mjs.
 */
import path from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { root, run } from '../helpers/child.js'
import { has } from '../helpers/needs.mjs'
import { standinPath } from '../helpers/standins.js'

interface Check {
  name: string
  status: 'passed' | 'failed' | 'skipped'
  detail?: string
}

export function packedTarball(names: readonly string[], ...options: string[]): void {
  describe.skipIf(!has('registry'))('the packed tarball', () => {
    let checks: Check[]
    let log: string
    beforeAll(async () => {
      const script = path.join(root, 'scripts/check-package.mjs')
      const model = await standinPath({ size: 'tiny' })
      const args = [script, '--json', '--model', model, ...options]
      const end = await run(process.execPath, args, { deadline: 1_500_000 })
      log = `${end.stdout}\n${end.stderr}`
      checks = JSON.parse(end.stdout)
    }, 1_600_000)

    it.for(names)('%s', (name, { skip }) => {
      const status = (of: string) => checks.find((check) => check.name === of)?.status
      if ([status('install'), status(name)].includes('skipped')) skip('no npm registry')
      expect(status(name), `${checks.find((check) => check.name === name)?.detail ?? log}`).toBe(
        'passed',
      )
    })
  })
}
