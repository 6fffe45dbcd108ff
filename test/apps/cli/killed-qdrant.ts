import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Embedder } from '../../../lib/embedder/embedder.js'
import { root } from '../../helpers/child.js'
import { type ContractServer, startContractServer } from '../../helpers/qdrant-contract.js'
import { tinyPath } from '../../helpers/standins.js'

const KEY = 'k-3f9a0c-very-secret'
const DOCS = ['--collection', 'docs']

export function killedAndResumed(rows: number): void {
  describe('load qdrant, killed', () => {
    let model: string
    let folder: string
    let server: ContractServer
    beforeAll(async () => {
      model = await tinyPath()
      folder = await mkdtemp(join(tmpdir(), 'qdrant-cli-'))
      server = await startContractServer({ apiKey: KEY })
    })
    afterAll(async () => {
      expect(server.violations).toEqual([])
      await server.close()
      await rm(folder, { recursive: true })
    })
    const env = () => ({ QDRANT_URL: server.url, QDRANT_API_KEY: KEY, BGE_M3_MODEL: model })
    const jsonl = (items: unknown[]) => items.map((item) => `${JSON.stringify(item)}\n`).join('')
    function start(args: string[]): ChildProcess {
      const all = ['load', 'qdrant', ...DOCS, '--threads', '1', ...args]
      return spawn(process.execPath, [join(root, 'dist/cli/main.js'), ...all], {
        env: { ...process.env, ...env() },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
    }

    async function ended(child: ChildProcess) {
      let stdout = ''
      let stderr = ''
      child.stdout?.on('data', (part) => (stdout += part))
      child.stderr?.on('data', (part) => (stderr += part))
      const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
      expect(stdout + stderr).not.toContain(KEY)
      return { code, stdout, stderr }
    }

    it(`${rows} texts, killed with SIGKILL twice and resumed: every point once, none lost`, {
      timeout: 600_000 + rows * 100,
    }, async () => {
      const file = join(folder, 'corpus.jsonl')
      const text = (i: number) => `item ${i}: what is said here is said once, number ${i * 7919}`
      const ids = Array.from({ length: rows }, (_, i) => `doc/${i}`)
      await writeFile(file, jsonl(ids.map((id, i) => ({ id, text: text(i) }))))
      const stored = () => server.collections.get('docs')?.points.size ?? 0
      for (const share of [0.2, 0.5]) {
        const child = start(['-i', file, '--sparse', '--dense', '--batch-points', '32'])
        const end = ended(child)
        while (stored() < rows * share) {
          expect(child.exitCode).toBeNull()
          await sleep(20)
        }
        child.kill('SIGKILL')
        await end
        expect(stored()).toBeLessThan(rows)
      }
      const before = stored()
      const last = await ended(start(['-i', file, '--sparse', '--dense', '--json']))
      expect(last.code, last.stderr).toBe(0)
      const { points, skipped } = JSON.parse(last.stdout)
      expect(points + skipped).toBe(rows)
      // the upsert that was under way when it was killed may have come through since
      expect(skipped).toBeGreaterThanOrEqual(before)

      const m3 = await Embedder.load({ model, cache: false })
      const outputs = { dense: true, sparse: true }
      const plain = await m3.embed(
        ids.map((_, i) => text(i)),
        { outputs },
      )
      await m3.dispose()
      const found = server.byId('docs')
      expect(found.size).toBe(rows)
      const wrong = ids.filter((id, i) => {
        const point = found.get(id)
        const dense = point?.dense.get('dense')
        const weights = point?.sparse.get('sparse')
        const { dense: expected, sparse } = plain[i] ?? {}
        return !(
          point?.writes === 1 &&
          point.payload.text === text(i) &&
          dense?.every((value, k) => Math.abs(value - (expected?.[k] ?? 9)) < 1e-6) &&
          // a text whose weights are all zero has no sparse vector
          (weights?.indices ?? []).join() === sparse?.indices.join() &&
          (weights?.values ?? new Float64Array()).every((value, k) => value === sparse?.values[k])
        )
      })
      expect(wrong).toEqual([])
      console.info(`qdrant: ${rows} texts, ${before} were there after two kills`)
    })
  })
}
