/**
 * DESIGN.md §1: imports point downward only. The rooms of `lib/`, floor by floor from the top; a room may
 * import itself and what lies on a lower floor.
 */
const floors = [
  ['index'],
  ['exports'],
  ['apps'],
  ['integrations'],
  ['embedder'],
  ['quality'],
  ['scoring', 'engine', 'cache'],
  ['outputs', 'model', 'chunking'],
  ['native', 'options'],
  ['common'],
]
const rooms = floors.flatMap((names, floor) => names.map((name) => ({ name, floor })))
const within = (names) => `^lib/(${names.join('|')})(/|\\.ts$)`

const downward = rooms.map(({ name, floor }) => ({
  name: `${name}-imports-downward`,
  comment: `lib/${name} may import only rooms on lower floors`,
  severity: 'error',
  from: { path: within([name]) },
  to: { path: within(floors.slice(0, floor + 1).flat().filter((other) => other !== name)) },
}))

module.exports = {
  forbidden: [
    ...downward,
    {
      name: 'every-file-has-a-room',
      comment: 'a file outside of the rooms above is on no floor',
      severity: 'error',
      from: { path: '^lib/', pathNot: within(floors.flat()) },
      to: {},
    },
    {
      name: 'scoring-and-quality-stand-alone',
      comment: 'SIMD helpers are handed in: scoring and quality load nothing native',
      severity: 'error',
      from: { path: '^lib/(scoring|quality)/' },
      to: { path: '^lib/(native|model|engine)/' },
    },
    {
      name: 'leaf-rooms-are-private',
      comment: 'what one application or integration is made of is for nobody else but the command; all may read files',
      severity: 'error',
      from: { path: '^lib/(apps|integrations)/([^/]+)/', pathNot: '^lib/apps/cli/' },
      to: { path: '^lib/(apps|integrations)/[^/]+/', pathNot: '^lib/($1/$2|integrations/files)/' },
    },
    // and no two folders import each other: scripts/house.mjs looks
    { name: 'no-cycles', severity: 'error', from: { path: '^lib/' }, to: { circular: true } },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
  },
}
