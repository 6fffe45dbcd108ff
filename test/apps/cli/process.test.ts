/** The built command as a process: signals, pipes and exit, each with a deadline. */

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { root } from '../../helpers/child.js'
import { has } from '../../helpers/needs.mjs'
import { standinPath, tinyPath } from '../../helpers/standins.js'
import { until } from '../../helpers/until.js'
import { jsonLines } from './run.js'

const MAIN = path.join(root, 'dist/cli/main.js')

let model: string
let small: string
let directory: string
beforeAll(async () => {
  model = await tinyPath()
  small = await standinPath({ size: 'small' })
  directory = await mkdtemp(path.join(tmpdir(), 'bge-m3-process-'))
})
afterAll(() => rm(directory, { recursive: true }))

interface Running {
  child: ChildProcessWithoutNullStreams
  output: { stdout: string; stderr: string }
  end: Promise<{ code: number | null; signal: string | null }>
}

function start(args: string[], command = process.execPath, prefix = [MAIN]): Running {
  const env = { ...process.env, BGE_M3_MODEL: model }
  const child = spawn(command, [...prefix, ...args], { env, cwd: directory })
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (data) => {
    output.stdout += data
  })
  child.stderr.on('data', (data) => {
    output.stderr += data
  })
  child.stdin.on('error', () => {})
  const kill = setTimeout(() => child.kill('SIGKILL'), 240_000)
  const end = new Promise<Awaited<Running['end']>>((resolve) => {
    child.on('close', (code, signal) => {
      clearTimeout(kill)
      resolve({ code, signal })
    })
  })
  return { child, output, end }
}

async function finish(args: string[], stdin = '') {
  const { child, output, end } = start(args)
  child.stdin.end(stdin)
  return { ...(await end), ...output }
}

describe('the command', () => {
  it.skipIf(!has('linux'))('refuses arguments that are not UTF-8, and takes U+FFFD', async () => {
    const shell = (args: string) =>
      start([], 'bash', ['-c', `exec '${process.execPath}' '${MAIN}' ${args}`])
    const latin = shell("score --json query $'caf\\xe9'")
    expect((await latin.end).code).toBe(2)
    expect(latin.output.stderr).toBe(
      'bge-m3: An argument is not valid UTF-8: give texts in a file, with --input.\n',
    )
    expect(JSON.parse(latin.output.stdout).error.code).toBe('USAGE')
    const written = shell("tokenize '\ufffd'")
    expect((await written.end).code, written.output.stderr).toBe(0)
  })

  it('embeds arguments', async () => {
    const { code, stdout } = await finish(['embed', 'hello', 'world'])
    expect(code).toBe(0)
    expect(jsonLines(stdout).map((line) => line.dense.length)).toEqual([64, 64])
  })

  it('embeds what comes through a pipe, to the last line', async () => {
    const lines = Array.from({ length: 2000 }, (_, i) => `line ${i}`)
    const { code, stdout } = await finish(['embed'], lines.join('\n'))
    expect(code).toBe(0)
    expect(jsonLines(stdout).map((line) => line.id)).toEqual([...lines.keys()])
  })

  it('prints its version and help', async () => {
    const { code, stdout } = await finish(['--help'])
    expect(code).toBe(0)
    expect(stdout).toContain('Usage: bge-m3')
    expect((await finish(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+/)
  })

  it('has exit codes', async () => {
    const nowhere = path.join(directory, 'none.gguf')
    expect((await finish(['embed', '--model', nowhere, 'a'])).code).toBe(3)
    expect((await finish(['embed', '--threads', 'many', 'a'])).code).toBe(2)
    expect((await finish(['embed', '--max-tokens', '3', 'a', 'a b c'])).code).toBe(1)
  })

  it('writes errors as lines, without a stack', async () => {
    const { stderr } = await finish(['embed', '--model', 'none.gguf', 'a'])
    expect(stderr).toMatch(/^bge-m3: No model at .*none\.gguf.*\n$/)
  })

  it('refuses a directory as its input', async () => {
    const { child, output, end } = start(
      ['-c', '"$0" "$1" embed < .', process.execPath, MAIN],
      'bash',
      [],
    )
    child.stdin.end()
    expect((await end).code).toBe(2)
    expect(output.stderr).toBe('bge-m3: The input is a directory.\n')
  })

  it('works with stdin closed', async () => {
    const command = `exec "$0" "$1" embed hello <&-`
    const { child, output, end } = start(['-c', command, process.execPath, MAIN], 'bash', [])
    child.stdin.end()
    expect((await end).code).toBe(0)
    expect(jsonLines(output.stdout)).toHaveLength(1)
  })
})

describe('a reader that leaves', () => {
  it('ends the command quietly', async () => {
    const input = path.join(directory, 'many.txt')
    await writeFile(input, 'a line of text\n'.repeat(3000))
    const script = '"$0" "$1" embed -i many.txt | head -n 1; echo "$PIPESTATUS"'
    const { child, output, end } = start(['-c', script, process.execPath, MAIN], 'bash', [])
    child.stdin.end()
    await end
    const [line, status] = output.stdout.trim().split('\n')
    expect(JSON.parse(line as string).id).toBe(0)
    expect(status).toBe('0')
    expect(output.stderr).not.toMatch(/EPIPE|Error/)
  })
})

describe('an interrupt', () => {
  const input = () => path.join(directory, 'long.txt')
  beforeAll(async () => {
    const lines = Array.from({ length: 3000 }, (_, i) => `${i} ${'word '.repeat(400)}`)
    await writeFile(input(), lines.join('\n'))
  })

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    it(`by ${signal} ends it, and keeps what is done`, async () => {
      const output = path.join(directory, `${signal}.jsonl`)
      const { child, end, output: streams } = start(['embed', '-i', input(), '-o', output])
      await until(async () => (await readFile(output, 'utf8').catch(() => '')).includes('\n'))
      child.kill(signal)
      const { code } = await end
      expect(code).toBe(130)
      expect(streams.stderr).toContain('interrupted')
      const kept = jsonLines(await readFile(output, 'utf8'))
      expect(kept.map((line) => line.id)).toEqual([...kept.keys()])
      expect(kept.length).toBeGreaterThan(0)
      expect(kept.length).toBeLessThan(3000)
    })
  }

  it('in the middle of a long text ends it', async () => {
    const { child, end } = start(['embed', '--model', small, '--truncate', '-i', input()])
    child.stdout.destroy()
    const again = start(['embed', '--model', small, '--truncate', 'word '.repeat(9000)])
    await end
    await until(() => again.output.stderr.includes('stand-in'))
    await sleep(300)
    again.child.kill('SIGINT')
    const { code } = await again.end
    expect(code).toBe(130)
    expect(child.exitCode).not.toBeNull()
  })

  it('twice ends it at once', async () => {
    const { child, end, output } = start(['embed', '-i', input()])
    await until(() => output.stdout.includes('\n'))
    child.kill('SIGINT')
    child.kill('SIGTERM')
    const { code } = await end
    expect(code).toBe(130)
  })

  it('ends it while nobody reads what it writes', async () => {
    const { child, end, output } = start(['embed', '-i', input()])
    await until(() => output.stdout.includes('\n'))
    child.stdout.pause()
    await sleep(1500)
    child.kill('SIGINT')
    const exited = new Promise<number | null>((resolve) => child.on('exit', resolve))
    expect(await exited).toBe(130)
    child.stdout.resume()
    await end
  })

  it('ends it while it waits for input', async () => {
    const { child, end, output } = start(['embed'])
    await until(() => output.stderr.includes('stand-in'))
    child.kill('SIGINT')
    expect((await end).code).toBe(130)
  })
})
