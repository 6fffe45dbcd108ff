// Where models made for benchmarks are kept: in the package's own cache folder.
import os from 'node:os'
import path from 'node:path'

export const benchCache = path.join(
  process.env.BGE_M3_CACHE_DIR ??
    path.join(process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), '.cache'), 'bge-m3-node'),
  'bench',
)
