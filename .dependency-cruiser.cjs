/** DESIGN.md §1: imports point downward only. */
const layers = [
  ['types', '^lib/(types|errors|units|float16|precision|config|config-kinds|presets|optional)\\.ts$'],
  ['native', '^lib/native/'],
  ['pure', '^lib/(scoring|quality|chunking)/'],
  ['model', '^lib/model/'],
  ['batching', '^lib/(batching|cache)/'],
  ['embedder', '^lib/((embedder|embedding|progress|call|item-errors|named|work|fallback|readings|estimator|diagnose|settings)\\.ts$|documents/)'],
  ['outer', '^lib/(cli|server|output|input|adapters|report|search)/'],
]

/** A layer may import itself and what comes before it. */
const upward = layers.slice(0, -1).map(([name, path], i) => ({
  name: `${name}-imports-upward`,
  comment: `${name} may import only layers below it`,
  severity: 'error',
  from: { path },
  // shapes alone are no dependency on what fills them
    to: { path: layers.slice(i + 1).map(([, above]) => above), pathNot: '/types\\.ts$' },
}))

module.exports = {
  forbidden: [
    ...upward,
    {
      name: 'scoring-and-quality-stand-alone',
      comment: 'SIMD helpers are handed in: scoring and quality load nothing native',
      severity: 'error',
      from: { path: '^lib/(scoring|quality)/' },
      to: { path: ['^lib/embedder', '^lib/native/', '^lib/model/'] },
    },
    {
      name: 'index-re-exports',
      comment: 'nobody inside imports the public entry, apart from what is built on it',
      severity: 'error',
      from: { path: '^lib/', pathNot: '^lib/(cli|server|output|adapters|report|search)/' },
      to: { path: '^lib/index\\.ts$' },
    },
    { name: 'no-cycles', severity: 'error', from: { path: '^lib/' }, to: { circular: true } },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
  },
}
