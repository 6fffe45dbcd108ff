/** `bge-m3 serve` inside the test. */

import { PassThrough, Readable } from 'node:stream'
import { beforeAll, describe, expect, it } from 'vitest'
import { runCli } from '../../../lib/apps/cli/run.js'
import { Interrupted } from '../../../lib/apps/cli/shared/errors.js'
import { SERVER_OPTION_NAMES } from '../../../lib/apps/server/core/options.js'
import { environmentName, OPTION_NAMES, OPTIONS } from '../../../lib/options/table.js'
import { tinyPath } from '../../helpers/standins.js'
import { until } from '../../helpers/until.js'
import { cli } from '../cli/run.js'

let model: string
beforeAll(async () => {
  model = await tinyPath()
})

describe('bge-m3 serve', () => {
  it('helps: every option, its variable, examples', async () => {
    const { code, stdout, stderr } = await cli(['serve', '--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^Usage: bge-m3 serve/)
    for (const name of SERVER_OPTION_NAMES) expect(stdout).toContain(`[${environmentName(name)}]`)
    for (const name of OPTION_NAMES) {
      if (OPTIONS[name].scope !== 'embed') expect(stdout).toContain(`[${environmentName(name)}]`)
    }
    const lines = stdout.split('\n').filter((line) => !/^ {2}[{$]/.test(line))
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(105)
    expect(stdout).toContain('Examples:\n  # ')
    expect((await cli(['--help'])).stdout).toMatch(/^ {2}serve /m)
  })

  it('serves until it is interrupted, and says where on a terminal', async () => {
    const controller = new AbortController()
    const stream = () =>
      Object.assign(new PassThrough({ encoding: 'utf8' }), { isTTY: true, columns: 100 })
    const stderr = stream()
    let text = ''
    stderr.on('data', (chunk) => {
      text += chunk
    })
    let patience = 0
    const running = runCli(
      [
        'serve',
        '--model',
        model,
        '--port',
        '0',
        '--host',
        'localhost',
        '--no-page',
        '--drain-timeout',
        '5s',
      ],
      {
        stdin: Readable.from([]),
        stdout: stream(),
        stderr,
        env: {},
        signal: controller.signal,
        onInterrupt: (milliseconds) => {
          patience = milliseconds
        },
      },
    )
    await until(() => text.includes('bge-m3: listening on '))
    const url = /listening on (\S+)/.exec(text)?.[1] as string
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect((await fetch(`${url}/ready`)).status).toBe(200)
    const body = JSON.stringify({ input: ['my secret', 'b'] })
    const headers = { 'content-type': 'application/json' }
    expect((await fetch(`${url}/v1/embeddings`, { method: 'POST', body, headers })).status).toBe(
      200,
    )
    await until(() =>
      /^\d\d:\d\d:\d\d POST \/v1\/embeddings 200, [\d.]+ ms, 2 texts, \d+ tokens$/m.test(text),
    )
    // people read this: no JSON, and nothing of llama.cpp
    expect(text).not.toMatch(/\{"level"|llama_|secret/)
    expect(patience).toBeGreaterThan(5000)
    controller.abort(new Interrupted())
    expect(await running).toBe(0)
    await expect(fetch(`${url}/ready`)).rejects.toThrow()
  })

  it('says what is wrong with the command line', async () => {
    expect(await cli(['serve', '--port', 'eighty'])).toMatchObject({ code: 2 })
    expect(await cli(['serve', '--config', '/nonexistent.json'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('ENOENT'),
    })
    expect(await cli(['serve'], { env: { BGE_M3_PORT: 'x' } })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('BGE_M3_PORT'),
    })
    expect(
      await cli(['serve', '--model', '/nonexistent.gguf', '--port', '0', '--no-page']),
    ).toMatchObject({ code: 3 })
  })
})
