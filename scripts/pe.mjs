// Reads the names of the libraries that a PE32+ file (Windows x64, ARM64) imports, at once or when first
// used. Layout: Microsoft's "PE Format".
import fs from 'node:fs'

/** What every Windows 10 has; node.exe is the program itself. */
const SYSTEM =
  /^(kernel32|ntdll|msvcrt|psapi|advapi32|api-ms-win-[\w-]+|ucrtbase|node)\.(dll|exe)$/i

/** { machine, imports: string[], delayed: string[] } */
export function readPe(file) {
  const bytes = fs.readFileSync(file)
  const header = bytes.length > 64 ? bytes.readUInt32LE(60) : 0
  if (bytes.toString('latin1', header, header + 4) !== 'PE\0\0')
    throw new Error(`${file} is not a PE file`)
  const machine = { 34404: 'x64', 43620: 'arm64' }[bytes.readUInt16LE(header + 4)] ?? 'other'
  const optional = header + 24
  if (bytes.readUInt16LE(optional) !== 0x20b) throw new Error(`${file} is not PE32+`)
  const table = optional + bytes.readUInt16LE(header + 20)
  const sections = Array.from({ length: bytes.readUInt16LE(header + 6) }, (_, i) => {
    const at = table + i * 40
    const [size, address, , offset] = [8, 12, 16, 20].map((field) => bytes.readUInt32LE(at + field))
    return { size, address, offset }
  })
  const at = (address) => {
    const home = sections.find((s) => address >= s.address && address < s.address + s.size)
    if (!home) throw new Error(`${file} points outside of its sections`)
    return address - home.address + home.offset
  }
  const text = (address) => {
    const start = at(address)
    return bytes.toString('latin1', start, bytes.indexOf(0, start))
  }
  const names = (directory, entry, field) => {
    const found = []
    const address = bytes.readUInt32LE(optional + 112 + directory * 8)
    for (let from = address && at(address); from; from += entry) {
      const name = bytes.readUInt32LE(from + field)
      if (name === 0) break
      found.push(text(name))
    }
    return found
  }
  return { machine, imports: names(1, 20, 12), delayed: names(13, 32, 4) }
}

/** What a Windows 10 would not find, a line each. */
export function importProblems(file) {
  const { imports, delayed } = readPe(file)
  const problems = [...imports, ...delayed]
    .filter((name) => !SYSTEM.test(name))
    .map((name) => `needs ${name}`)
  // Electron's and other programs' node is not in a file of that name: native/compat/win_delay_load.c
  if (imports.some((name) => /^node\.exe$/i.test(name))) problems.push('binds to node.exe at once')
  return problems
}
