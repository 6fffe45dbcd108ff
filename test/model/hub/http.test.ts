import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, it } from 'vitest'
import { NetworkError, send } from '../../../lib/model/hub/http.js'
import { until } from '../../helpers/until.js'
import { noise } from './fixtures.js'

let server: http.Server | undefined
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

async function serve(listener: http.RequestListener): Promise<URL> {
  const created = http.createServer(listener)
  server = created
  await new Promise<void>((resolve) => created.listen(0, '127.0.0.1', resolve))
  return new URL(`http://127.0.0.1:${(created.address() as AddressInfo).port}/`)
}

const patience = { responseTimeout: 2_000, stallTimeout: 2_000 }

it('reads no further ahead than a few megabytes when the consumer is slow, and loses nothing', async () => {
  const megabyte = noise(2 ** 20)
  const total = 64
  let sent = 0
  const url = await serve(async (_request, response) => {
    response.writeHead(200)
    for (; sent < total && !response.destroyed; sent++) {
      if (!response.write(megabyte)) await new Promise((resolve) => response.once('drain', resolve))
    }
    response.end()
  })
  const answer = await send(url, patience)
  await sleep(300)
  // Sockets buffer some megabytes on both sides.
  expect(sent).toBeLessThan(24)
  let received = 0
  for await (const chunk of answer.body) {
    const at = received % megabyte.length
    const end = Math.min(chunk.length, megabyte.length - at)
    expect(chunk.subarray(0, end).equals(megabyte.subarray(at, at + end))).toBe(true)
    received += chunk.length
  }
  expect(received).toBe(total * megabyte.length)
})

it('does not count a slow consumer as a stalled server', async () => {
  const url = await serve((_request, response) => response.end(noise(300_000)))
  const answer = await send(url, { ...patience, stallTimeout: 1_000 })
  let received = 0
  for await (const chunk of answer.body) {
    if (received === 0) await sleep(1_500)
    received += chunk.length
  }
  expect(received).toBe(300_000)
})

it('gives every byte that arrived before the connection broke', async () => {
  const bytes = noise(50_000)
  const url = await serve((_request, response) => {
    response.writeHead(200, { 'content-length': 100_000 })
    response.write(bytes, () => response.socket?.end())
  })
  const answer = await send(url, patience)
  const received: Buffer[] = []
  const reading = (async () => {
    for await (const chunk of answer.body) received.push(chunk)
  })()
  await expect(reading).rejects.toMatchObject({ code: 'ECONNRESET', answered: true })
  await expect(reading).rejects.toThrow(NetworkError)
  expect(Buffer.concat(received).equals(bytes)).toBe(true)
})

it('closes the connection when the consumer has had enough', async () => {
  let closed = false
  const url = await serve((_request, response) => {
    response.on('close', () => {
      closed = true
    })
    response.writeHead(200)
    response.write('x')
  })
  const answer = await send(url, patience)
  for await (const _chunk of answer.body) break
  await until(() => closed)
})
