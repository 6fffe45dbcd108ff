// Stands in for npm when the documentation's commands are run: installs nothing, but a package that this one
// does not work with, or a script that it does not have, is an error.
import fs from 'node:fs'
import path from 'node:path'

const read = (file) => JSON.parse(fs.readFileSync(file, 'utf8'))
const root = path.resolve(import.meta.dirname, '../..')
const own = read(path.join(root, 'package.json'))
const { dependencies, devDependencies, peerDependencies } = own
const known = { ...dependencies, ...devDependencies, ...peerDependencies, [own.name]: '' }

const [command, ...args] = process.argv.slice(2)
const names = args.filter((arg) => !arg.startsWith('-'))
const fail = (message) => {
  console.error(message)
  process.exit(1)
}
if (command === 'install') {
  for (const name of names) {
    const bare = name.replace(/(?<=.)@[^/]*$/, '')
    if (!(bare in known)) fail(`this project knows no package ${bare}`)
  }
} else if (command === 'run' || command === 'test') {
  const script = command === 'test' ? 'test' : names[0]
  if (!(script in own.scripts)) fail(`package.json has no script ${script}`)
} else fail(`the documentation's npm knows no ${command}`)
