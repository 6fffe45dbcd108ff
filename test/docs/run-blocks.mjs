// Runs modules that its parent names, one after the other: { file, cwd, model } in, { output, error } out.
let wrote = ''
process.stdout.write = (chunk, ...rest) => {
  wrote += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString()
  for (const done of rest) if (typeof done === 'function') done()
  return true
}
process.stderr.write = (_chunk, ...rest) => {
  for (const done of rest) if (typeof done === 'function') done()
  return true
}
let stray
const onStray = (error) => {
  stray = error
}
process.on('unhandledRejection', onStray)
process.on('uncaughtException', onStray)

process.on('message', async ({ file, cwd, model }) => {
  wrote = ''
  stray = undefined
  let error
  try {
    process.chdir(cwd)
    process.env.BGE_M3_MODEL = model
    await import(file)
    await new Promise(setImmediate)
    error = stray
  } catch (thrown) {
    error = thrown
  }
  process.send({ output: wrote, error: error && String(error?.stack ?? error) })
})
process.on('disconnect', () => process.exit(0))
