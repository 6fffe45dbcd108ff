/** test/slow/package/install.test.ts runs it on other versions of Node and through bundlers. */
import { packedTarball } from './install.js'

const NAMES = ['install', 'esm', 'commonjs', 'worker', 'command', 'esbuild-external']
packedTarball([...NAMES, 'esbuild-inside', 'tree-shaking'], '--quick')
