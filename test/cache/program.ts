/** What child processes do with a cache. The first argument says which, the second names the folder. */
import fs from 'node:fs'
import path from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { EmbeddingCache } from '../../lib/cache/cache.js'
import { ALL, DENSE, dense, everything, LIMIT, random } from './values.js'

const [, , command, dir = '', ...rest] = process.argv
const [a = 0, b = 0] = rest.map(Number)

const warnings: string[] = []
const open = (folder: string, maxBytes: number, memoryBytes = 0) =>
  EmbeddingCache.open({
    memoryBytes,
    disk: { dir: folder, maxBytes },
    ttlMs: 1e10,
    warn: (message) => warnings.push(message),
  })

/** Writes entries of its own and shared ones, and reads everybody's. Arguments: id, processes. */
async function share(id: number, processes: number): Promise<void> {
  const cache = await open(dir, 100_000_000)
  const seedOf = (who: number, i: number) => who * 10_000 + i
  let wrong = 0
  let found = 0
  for (let i = 0; i < 600; i++) {
    // every third entry is of all processes
    const who = i % 3 === 0 ? 99 : id
    cache.keep('m', `t${seedOf(who, i)}`, everything(seedOf(who, i)), LIMIT)
    const other = seedOf(i % 2 ? (id + 1) % processes : 99, Math.floor(i / 2))
    const got = cache.find('m', `t${other}`, ALL, LIMIT)
    if (got) found++
    if (got && !isDeepStrictEqual(got, everything(other))) wrong++
    if (i % 20 === 0) await cache.flush()
  }
  await cache.close()
  console.log(JSON.stringify({ wrong, found, warnings }))
}

/** Writes far more than there is room for. Arguments: id, number of entries. */
async function churn(id: number, entries: number): Promise<void> {
  const cache = await open(dir, 1_000_000)
  const pick = random(id)
  let wrong = 0
  let found = 0
  for (let i = 0; i < entries; i++) {
    const seed = Math.floor(pick() ** 3 * 5000)
    const got = cache.find('m', `t${seed}`, DENSE, LIMIT)
    if (got) found++
    if (got && !isDeepStrictEqual(got, dense(seed, 256))) wrong++
    if (!got) cache.keep('m', `t${seed}`, dense(seed, 256), LIMIT)
    if (i % 25 === 0) await cache.flush()
  }
  const { damaged, state } = cache.stats().disk
  await cache.close()
  console.log(JSON.stringify({ wrong, found, damaged, state, warnings }))
}

/** Writes until it is killed; each line is the last entry that is safe. Arguments: the first, bytes. */
async function writeOn(first: number, maxBytes: number): Promise<void> {
  const cache = await open(dir, maxBytes)
  if (warnings.length > 0) console.log(JSON.stringify(warnings))
  for (let i = first; ; i++) {
    cache.keep('m', `t${i}`, everything(i), LIMIT)
    if (i % 7 !== 0) continue
    await cache.flush()
    fs.writeSync(1, `${i}\n`)
  }
}

type Damage = (bytes: Buffer, pick: () => number) => Buffer

const DAMAGES: Damage[] = [
  // a few bytes
  (bytes, pick) => {
    for (let i = 0; i < 1 + pick() * 8; i++) {
      if (bytes.length > 0) bytes[Math.floor(pick() * bytes.length)] = pick() * 256
    }
    return bytes
  },
  // many bytes
  (bytes, pick) => {
    for (let i = 0; i < bytes.length / 50; i++) {
      bytes[Math.floor(pick() * bytes.length)] = pick() * 256
    }
    return bytes
  },
  // the end is missing
  (bytes, pick) => bytes.subarray(0, pick() * bytes.length),
  // a page of zeros, or of something else
  (bytes, pick) => {
    const at = Math.floor((pick() * bytes.length) / 4096) * 4096
    return bytes.fill(pick() < 0.5 ? 0 : pick() * 256, at, Math.min(bytes.length, at + 4096))
  },
  // a piece is somewhere else
  (bytes, pick) => {
    const length = pick() * 1000
    bytes.copyWithin(pick() * bytes.length, pick() * bytes.length, pick() * bytes.length + length)
    return bytes
  },
  // something follows
  (bytes, pick) =>
    Buffer.concat([bytes, Buffer.from(Float32Array.from({ length: 300 }, pick).buffer)]),
  // it is empty
  () => Buffer.alloc(0),
]

const ENTRIES = 100

function damage(store: string, pick: () => number): void {
  const names = fs.readdirSync(store)
  const rounds = 1 + Math.floor(pick() * 2)
  for (let i = 0; i < rounds; i++) {
    // mostly what matters most: the index and the data
    const weighty = names.filter((name) => /index|seg/.test(name))
    const among = pick() < 0.9 ? weighty : names
    const file = path.join(store, among[Math.floor(pick() * among.length)] as string)
    const kind = DAMAGES[Math.floor(pick() * DAMAGES.length)] as Damage
    const content = kind(fs.readFileSync(file), pick)
    // in place, as a bad disk does: who has the file open has it, too
    fs.writeFileSync(file, content, { flag: 'r+' })
    fs.truncateSync(file, content.length)
  }
}

/**
 * Damages copies of a store, and uses them. Arguments: the first case, and the one after the last. Each
 * case says that it starts, so that a crash or a hang can be told from what it was.
 */
async function survive(first: number, end: number): Promise<void> {
  for (let number = first; number < end; number++) {
    console.log(`start ${number}`)
    const pick = random(number + 1)
    const copy = `${dir}-case-${number}`
    fs.cpSync(dir, copy, { recursive: true })
    warnings.length = 0
    let missing = 0
    let wrong = 0
    const store = path.join(copy, 'v1')
    const live = number % 3 === 0
    if (!live) damage(store, pick)
    const cache = await open(copy, 2_000_000)
    if (live) {
      cache.find('m', 't1', ALL, LIMIT)
      damage(store, pick)
    }
    for (let i = 0; i < ENTRIES; i++) {
      const got = cache.find('m', `t${i}`, ALL, LIMIT)
      if (!got) missing++
      else if (!isDeepStrictEqual(got, everything(i))) wrong++
      if (!got) cache.keep('m', `t${i}`, everything(i), LIMIT)
    }
    cache.stats()
    cache.clearExpired()
    await cache.flush()
    await cache.exportTo(path.join(copy, 'export'))
    await cache.close()
    const again = await open(copy, 2_000_000, 1_000_000)
    await again.warmup()
    let lost = 0
    for (let i = 0; i < ENTRIES; i++) {
      const got = again.find('m', `t${i}`, ALL, LIMIT)
      if (!got) lost++
      else if (!isDeepStrictEqual(got, everything(i))) wrong++
    }
    await again.close()
    fs.rmSync(copy, { recursive: true })
    console.log(`end ${JSON.stringify({ number, live, missing, wrong, lost, warnings })}`)
  }
}

/** Makes the store that `survive` damages copies of. */
async function prepare(): Promise<void> {
  const cache = await open(dir, 2_000_000)
  for (let i = 0; i < ENTRIES; i++) {
    cache.keep('m', `t${i}`, everything(i), LIMIT)
    if (i % 40 === 0) await cache.flush()
  }
  await cache.close()
}

if (command === 'share') await share(a, b)
else if (command === 'churn') await churn(a, b)
else if (command === 'write') await writeOn(a, b)
else if (command === 'survive') await survive(a, b)
else if (command === 'prepare') await prepare()
else process.exitCode = 2
