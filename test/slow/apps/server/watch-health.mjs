// How long /health takes, asked for all the time by a process that does nothing else: what the test itself is busy
// with does not count. Arguments: the server's URL and process id. A line on stdin is answered by a line with what was
// seen since the last one: {"slowest" ms, "own" ms, "most" MB resident}. `own` is the slowest without the time in which
// the server's event loop or this process waited for a processor that others had.
import { readFileSync } from 'node:fs'
import http from 'node:http'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

const [url, pid] = process.argv.slice(2)

/** Milliseconds that the main threads of both have waited for a processor. */
function waited() {
  return [pid, process.pid].reduce((sum, id) => {
    const [, nanoseconds] = readFileSync(`/proc/${id}/task/${id}/schedstat`, 'utf8').split(' ')
    return sum + Number(nanoseconds) / 1e6
  }, 0)
}

const residentMb = () =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024

const nothing = { slowest: 0, own: 0, most: 0 }
let seen = { ...nothing }
let began

const begin = () => {
  began = { at: performance.now(), waited: waited() }
}

function note() {
  const took = performance.now() - began.at
  seen.slowest = Math.max(seen.slowest, took)
  seen.own = Math.max(seen.own, took - (waited() - began.waited))
  seen.most = Math.max(seen.most, residentMb())
}

begin()
createInterface({ input: process.stdin })
  .on('line', () => {
    // one that is still without an answer counts, too
    note()
    console.log(JSON.stringify(seen))
    seen = { ...nothing }
    begin()
  })
  .on('close', () => process.exit())

for (;;) {
  begin()
  await new Promise((resolve, reject) => {
    http
      .get(`${url}/health`, (response) => response.resume().on('end', resolve))
      .on('error', reject)
  })
  note()
  await sleep(3)
}
