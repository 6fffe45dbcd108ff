import { defineConfig, type Options } from 'tsup'

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

export default defineConfig([
  {
    ...common,
    entry: {
      index: 'lib/index.ts',
      'model/index': 'lib/model/index.ts',
      'scoring/index': 'lib/scoring/index.ts',
      'quality/index': 'lib/quality/index.ts',
      'report/index': 'lib/report/index.ts',
      'server/index': 'lib/server/index.ts',
      'postgres/index': 'lib/output/postgres/index.ts',
      'queue/index': 'lib/output/queue/index.ts',
      'qdrant/index': 'lib/output/qdrant/index.ts',
      'search/index': 'lib/search/index.ts',
      'adapters/langchain': 'lib/adapters/langchain.ts',
      'adapters/ai-sdk': 'lib/adapters/ai-sdk.ts',
      'adapters/llamaindex': 'lib/adapters/llamaindex.ts',
      'adapters/chroma': 'lib/adapters/chroma.ts',
    },
    format: ['esm', 'cjs'],
    outExtension: ({ format }) => ({ js: format === 'cjs' ? '.cjs' : '.js' }),
    dts: true,
    shims: true, // import.meta.url in CommonJS
  },
  // the command is run, never imported: one format, no types
  { ...common, entry: { 'cli/main': 'lib/cli/main.ts' }, format: ['esm'] },
  // the server's page: scripts for the browser, and the files beside them as they are
  {
    entry: { app: 'lib/server/page/client/app.ts', theme: 'lib/server/page/client/theme.ts' },
    outDir: `${outDir}/page`,
    publicDir: 'lib/server/page/public',
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
    entry: { 'report/page': 'lib/report/page/client/main.ts' },
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
