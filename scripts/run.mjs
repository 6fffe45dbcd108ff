// Child processes for the scripts: fail with the command's own output.
import { spawnSync } from 'node:child_process'

/** Runs a command; throws with what it printed when it fails. `quiet` keeps its output back. */
export function run(command, args, { quiet = false, ...options } = {}) {
  const result = spawnSync(command, args, {
    stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 2, 'inherit'],
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    shell: process.platform === 'win32' && /^(npm|npx)$/.test(command),
    ...options,
  })
  if (result.error) {
    const hint = result.error.code === 'ENOENT' ? ` Is ${command} installed and on the PATH?` : ''
    throw new Error(`${command} could not be started: ${result.error.message}.${hint}`)
  }
  if (result.status !== 0) {
    const output = `${result.stdout ?? ''}${result.stderr ?? ''}`
      .trim()
      .split('\n')
      .slice(-60)
      .join('\n')
    const how = result.signal ? `signal ${result.signal}` : `exit code ${result.status}`
    throw new Error(`${command} ${args.join(' ')} ended with ${how}${output ? `:\n${output}` : ''}`)
  }
  return result.stdout ?? ''
}

export const say = (message) => process.stderr.write(`[bge-m3] ${message}\n`)
