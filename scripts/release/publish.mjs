// `npm publish` of what was packed: the platforms' packages first, so that whoever can install this one finds
// the package that it asks for.
import { spawnSync } from 'node:child_process'
import { run } from '../run.mjs'

/**
 * May be called again after a failure half-way: what the registry has, byte for byte, is passed over.
 *
 * @param packed what packPackage returned
 * @param flags npm's own
 * @param env with which npm runs
 */
export function publishAll(packed, flags, env = process.env) {
  env = { ...env, npm_config_loglevel: 'notice' } // `npm run --silent` hands its silence down
  for (const { file, id, integrity } of [...packed.platforms, packed]) {
    if (!flags.includes('--dry-run') && publishedIntegrity(id, env) === integrity) continue
    run('npm', ['publish', file, '--access', 'public', ...flags], { quiet: true, env })
  }
}

/** Empty for what is not published. */
function publishedIntegrity(id, env) {
  const windows = process.platform === 'win32'
  const args = ['view', id, 'dist.integrity']
  return spawnSync('npm', args, { encoding: 'utf8', env, shell: windows }).stdout.trim()
}
