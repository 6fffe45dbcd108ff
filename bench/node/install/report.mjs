// The section about installing and starting.

/** @param result as bench/node/install.mjs writes it */
export function installMarkdown(result) {
  const { machine, load, date, npm, installs, starts, platforms, engines } = result
  const row = (name, cell) => [name, ...engines.map(cell)]
  const rows = [
    row('packages', ({ packages }) => packages),
    row('fetched, MB', ({ fetched }) => megabytes(fetched)),
    row('on disk, MB', ({ stored }) => megabytes(stored)),
    row('install, warm npm cache, seconds', ({ install }) => times(install)),
    row('process start to first embedding, seconds', ({ start }) => times(start)),
    row('the same, `tiny` stand-in, seconds', ({ startTiny }) =>
      startTiny ? times(startTiny) : '',
    ),
  ]
  return [
    '## Installing and starting',
    '',
    'Written by `node bench/node/install.mjs --report`. Each package is installed into an empty folder with',
    '`--ignore-scripts` from a warm npm cache; what its install script would fetch on top is not counted.',
    `Ours is the packed tarball with ${platforms.length === 1 ? 'one prebuilt file' : `${platforms.length} prebuilt files`}`,
    `(${platforms.join(', ')}), with its dependencies. node-llama-cpp's optional packages for GPUs are`,
    'part of its plain installation. A start is a process that loads a model of bge-m3’s shape from the page',
    'cache (the same GGUF for node-llama-cpp and us; int8 ONNX, its text as ready token ids, for ONNX',
    'Runtime, which maps its weights where we read and repack them) and embeds one sentence; engines take',
    'turns.',
    '',
    `${machine.cpu}, ${machine.cores} cores; ${machine.system}, Node ${machine.node}, npm ${npm}; ` +
      `best (median) of ${installs} installations and ${starts} starts; ${date.slice(0, 10)}.`,
    '',
    ...(load > 2 * machine.cores ? [caution(load), ''] : []),
    ...table(['', ...engines.map(({ id }) => id)], rows),
    '',
  ].join('\n')
}

const caution = (load) =>
  `**Other work ran on the machine meanwhile (load average up to ${load.toFixed(0)}), so the times are too long, ` +
  'and longest for engines whose threads wait by spinning. The sizes do not depend on it.**'

const megabytes = (bytes) => (bytes / 1e6).toFixed(1)

function times(list) {
  const sorted = [...list].sort((a, b) => a - b)
  return `${sorted[0].toFixed(2)} (${sorted[Math.floor(sorted.length / 2)].toFixed(2)})`
}

function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)]
}
