// Reads what dynamic linking needs from an ELF64 little-endian file (x86-64, AArch64): the libraries it
// asks for, and its dynamic symbols with their versions. Layouts: System V gABI and the LSB's chapter
// on symbol versioning.
import fs from 'node:fs'

const SHT_DYNAMIC = 6
const SHT_DYNSYM = 11
const SHT_GNU_VERDEF = 0x6ffffffd
const SHT_GNU_VERNEED = 0x6ffffffe
const SHT_GNU_VERSYM = 0x6fffffff
const DT_NEEDED = 1n
const DT_SONAME = 14n

const BINDINGS = ['local', 'global', 'weak']
const TYPES = ['notype', 'object', 'func', 'section', 'file', 'common', 'tls']
const MACHINES = { 62: 'x64', 183: 'arm64' }

/**
 * { machine, soname, needed: string[], symbols: { name, version?, isDefault, defined, binding, type, size }[] }
 * `version` of an undefined symbol is what it needs, of a defined one what it offers.
 */
export function readElf(file) {
  const bytes = fs.readFileSync(file)
  if (bytes.length < 64 || bytes.readUInt32BE(0) !== 0x7f454c46)
    throw new Error(`${file} is not an ELF file`)
  if (bytes[4] !== 2 || bytes[5] !== 1) throw new Error(`${file} is not 64-bit little-endian`)
  const sections = readSections(bytes)
  const of = (type) => sections.find((section) => section.type === type)
  const strings = (section) => sections[section.link]
  const text = (table, at) => {
    const start = table.offset + at
    return bytes.toString('utf8', start, bytes.indexOf(0, start))
  }

  const result = {
    machine: MACHINES[bytes.readUInt16LE(18)] ?? 'other',
    soname: undefined,
    needed: [],
    symbols: [],
  }
  const dynamic = of(SHT_DYNAMIC)
  for (let at = 0; dynamic && at < dynamic.size; at += 16) {
    const tag = bytes.readBigInt64LE(dynamic.offset + at)
    const value = Number(bytes.readBigUInt64LE(dynamic.offset + at + 8))
    if (tag === DT_NEEDED) result.needed.push(text(strings(dynamic), value))
    if (tag === DT_SONAME) result.soname = text(strings(dynamic), value)
  }

  const versions = new Map([
    ...readVersionDefinitions(bytes, of(SHT_GNU_VERDEF), strings, text),
    ...readVersionNeeds(bytes, of(SHT_GNU_VERNEED), strings, text),
  ])
  const dynsym = of(SHT_DYNSYM)
  const versym = of(SHT_GNU_VERSYM)
  for (let i = 1; dynsym && i < dynsym.size / 24; i++) {
    const at = dynsym.offset + i * 24
    const info = bytes[at + 4]
    const index = versym ? bytes.readUInt16LE(versym.offset + i * 2) : 1
    const symbol = {
      name: text(strings(dynsym), bytes.readUInt32LE(at)),
      version: versions.get(index & 0x7fff),
      isDefault: (index & 0x8000) === 0,
      defined: bytes.readUInt16LE(at + 6) !== 0,
      binding: BINDINGS[info >> 4] ?? 'other',
      type: (info & 15) === 10 ? 'ifunc' : (TYPES[info & 15] ?? 'other'),
      size: Number(bytes.readBigUInt64LE(at + 16)),
    }
    result.symbols.push(symbol)
  }
  return result
}

function readSections(bytes) {
  const table = Number(bytes.readBigUInt64LE(40))
  const entry = bytes.readUInt16LE(58)
  const count = bytes.readUInt16LE(60)
  const sections = []
  for (let i = 0; i < count; i++) {
    const at = table + i * entry
    sections.push({
      type: bytes.readUInt32LE(at + 4),
      offset: Number(bytes.readBigUInt64LE(at + 24)),
      size: Number(bytes.readBigUInt64LE(at + 32)),
      link: bytes.readUInt32LE(at + 40),
    })
  }
  return sections
}

function* readVersionDefinitions(bytes, section, strings, text) {
  for (let at = section?.offset; at; ) {
    const first = at + bytes.readUInt32LE(at + 12)
    yield [bytes.readUInt16LE(at + 4), text(strings(section), bytes.readUInt32LE(first))]
    const next = bytes.readUInt32LE(at + 16)
    at = next ? at + next : 0
  }
}

function* readVersionNeeds(bytes, section, strings, text) {
  for (let at = section?.offset; at; ) {
    for (let need = at + bytes.readUInt32LE(at + 8); need; ) {
      yield [bytes.readUInt16LE(need + 6), text(strings(section), bytes.readUInt32LE(need + 8))]
      const next = bytes.readUInt32LE(need + 12)
      need = next ? need + next : 0
    }
    const next = bytes.readUInt32LE(at + 12)
    at = next ? at + next : 0
  }
}

/** -1, 0, 1 for versions such as `2.28` and `2.3.4`. */
export function compareVersions(a, b) {
  const left = a.split('.').map(Number)
  const right = b.split('.').map(Number)
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0)
    if (difference) return Math.sign(difference)
  }
  return 0
}
