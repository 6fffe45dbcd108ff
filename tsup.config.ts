import { transform } from 'esbuild'
import { defineConfig, type Options } from 'tsup'
import { entries } from './scripts/exports.mjs'

/** scripts/build.mjs builds beside dist/ and swaps it in whole. */
const outDir = process.env.BGE_M3_OUT_DIR ?? 'dist'

const common: Options = {
  outDir,
  platform: 'node',
  target: 'node20',
  splitting: true,
  sourcemap: false, // unminified: stack traces are readable, and the package half the size
  clean: false, // several builds share the folder
}

const entry = Object.fromEntries(entries.map(({ name, source }) => [name, source]))

/**
 * CommonJS out of ES modules with common chunks. tsup's own way goes through sucrase, which lowers class fields to
 * assignments: `static name` throws then. `import()` becomes `require()`, which every test runner and loader has.
 */
const commonJs: NonNullable<Options['plugins']>[number] = {
  name: 'commonjs',
  renderChunk: (code) =>
    transform(code, {
      format: 'cjs',
      target: 'node20',
      supported: { 'dynamic-import': false },
      logOverride: { 'empty-import-meta': 'silent' }, // lib/native/paths.ts asks for __filename first
    }),
}

export default defineConfig([
  // the command is run, never imported: in one format, without types, and of the same chunks
  {
    ...common,
    entry: { ...entry, 'cli/main': 'lib/apps/cli/main.ts' },
    format: ['esm'],
    outExtension: () => ({ js: '.js' }),
  },
  {
    ...common,
    entry,
    format: ['esm'],
    outExtension: () => ({ js: '.cjs' }),
    plugins: [commonJs],
  },
  { ...common, entry, format: ['esm', 'cjs'], dts: { only: true } },
  // the server's page: scripts for the browser, and the files beside them as they are
  {
    entry: {
      app: 'lib/apps/server/page/client/app.ts',
      theme: 'lib/apps/server/page/client/theme.ts',
    },
    outDir: `${outDir}/page`,
    publicDir: 'lib/apps/server/page/public',
    platform: 'browser',
    target: 'es2022',
    format: ['iife'],
    outExtension: () => ({ js: '.js' }),
    splitting: false,
    clean: false,
  },
  // the script of a report, ECharts included: it becomes part of every report
  {
    outDir,
    entry: { 'report/page': 'lib/apps/report/page/client/main.ts' },
    platform: 'browser',
    target: 'es2022',
    format: ['iife'],
    outExtension: () => ({ js: '.js' }),
    noExternal: [/.*/],
    minify: true,
    splitting: false,
    clean: false,
  },
])
