// The container's health check: 0 when the server is ready for work, 1 otherwise. Node itself asks, so
// that the image needs no curl. BGE_M3_PORT, and BGE_M3_TLS_CERT for HTTPS, are the server's own. A worker or
// loader is asked at its metrics port, if it has one; any other command is healthy while it runs.
import { readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'

// also behind an init, whose arguments are the program's
const [, , commandLine = '/proc/1/cmdline'] = process.argv
const words = readFileSync(commandLine, 'utf8').split('\0')
const command = words.slice(words.findIndex((word) => word.endsWith('main.js')) + 1)[0]
const isOther = words.some((word) => word.endsWith('main.js')) && command && command !== 'serve'
const metricsPort = ['worker', 'load'].includes(command) && metricsPortOf(words)
if (isOther && !metricsPort) process.exit(0)

const { BGE_M3_PORT = '8080', BGE_M3_TLS_CERT } = process.env
const port = metricsPort || BGE_M3_PORT
const certificate = metricsPort ? undefined : BGE_M3_TLS_CERT
const options = {
  host: '127.0.0.1',
  port,
  path: '/ready',
  timeout: 4000,
  rejectUnauthorized: false, // it is this container's own, and made out to another name
}

const request = (certificate ? https : http).get(options, (response) => {
  response.resume()
  finish(response.statusCode === 200, `status ${response.statusCode}`)
})
request.on('timeout', () => request.destroy(new Error('no answer in 4 s')))
request.on('error', (error) => finish(false, error.message))

/** As `--metrics-port 9100`, `--metrics-port=9100`, or in the environment. */
function metricsPortOf(words) {
  const at = words.findIndex((word) => /^--metrics-port(=|$)/.test(word))
  if (at < 0) return process.env.BGE_M3_METRICS_PORT
  return words[at].split('=')[1] ?? words[at + 1]
}

function finish(ready, why) {
  if (!ready) console.error(`not ready: ${why}`)
  process.exit(ready ? 0 : 1)
}
