import { defineConfig, type Options } from 'tsup'

const common: Options = {
  platform: 'node',
  target: 'node20',
  splitting: true,
  sourcemap: true,
  clean: false, // scripts/build.mjs empties dist: the two builds run at once
}

export default defineConfig([
  {
    ...common,
    entry: {
      index: 'lib/index.ts',
      'model/index': 'lib/model/index.ts',
      'scoring/index': 'lib/scoring/index.ts',
      'quality/index': 'lib/quality/index.ts',
    },
    format: ['esm', 'cjs'],
    outExtension: ({ format }) => ({ js: format === 'cjs' ? '.cjs' : '.js' }),
    dts: true,
    shims: true, // import.meta.url in CommonJS
  },
  // the command is run, never imported: one format, no types
  { ...common, entry: { 'cli/main': 'lib/cli/main.ts' }, format: ['esm'] },
])
