import { packedTarball } from '../../package/install.js'

const NAMES = ['node-20', 'node-22', 'node-24', 'node-26', 'vite', 'webpack', 'next']
packedTarball(['install', ...NAMES], '--only', NAMES.join())
