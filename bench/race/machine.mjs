// What the numbers were measured on.
import os from 'node:os'

export function availableCores() {
  return os.availableParallelism()
}

export function machine() {
  return {
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableCores(),
    memory: os.totalmem(),
    system: `${os.platform()} ${os.release()} ${os.arch()}`,
    node: process.version,
  }
}
