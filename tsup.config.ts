import { defineConfig } from 'tsup'

export default defineConfig({
  entry: {
    index: 'lib/index.ts',
    'scoring/index': 'lib/scoring/index.ts',
    'cli/main': 'lib/cli/main.ts',
  },
  format: ['esm', 'cjs'],
  outExtension: ({ format }) => ({ js: format === 'cjs' ? '.cjs' : '.js' }),
  platform: 'node',
  target: 'node20',
  dts: true,
  splitting: true,
  shims: true,
  sourcemap: true,
  clean: true,
})
