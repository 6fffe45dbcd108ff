// A memory limit as a container has it: a cgroup of ours, v1 or v2, which takes root.
import fs from 'node:fs'
import path from 'node:path'

const V1 = '/sys/fs/cgroup/memory'
const V2 = '/sys/fs/cgroup'

/** @returns {{ folder: string, limit: string } | undefined} */
function kind() {
  if (fs.existsSync(path.join(V1, 'memory.limit_in_bytes')))
    return { folder: V1, limit: 'memory.limit_in_bytes' }
  const controllers = path.join(V2, 'cgroup.subtree_control')
  const hasMemory =
    fs.existsSync(controllers) && /\bmemory\b/.test(fs.readFileSync(controllers, 'latin1'))
  return hasMemory ? { folder: V2, limit: 'memory.max' } : undefined
}

/**
 * @param {number} bytes
 * @returns {{ shellPrefix: string, remove: () => void }} what puts a process into it
 */
export function container(bytes) {
  const found = kind()
  if (!found) throw new Error('there is no memory controller')
  const group = fs.mkdtempSync(path.join(found.folder, 'bge-m3-test-'))
  const remove = () => fs.rmdirSync(group)
  try {
    fs.writeFileSync(path.join(group, found.limit), String(bytes))
  } catch (error) {
    remove()
    throw error
  }
  return { shellPrefix: `echo $$ > ${group}/cgroup.procs &&`, remove }
}

export function canContain() {
  try {
    container(1e9).remove()
    return true
  } catch {
    return false
  }
}
