// What accuracy.mjs and quantization.mjs share: forms are chosen when a process starts, so each embeds in a
// child of its own.
import { fork } from 'node:child_process'

/** Runs `script` with `environment` added; resolves with the first message that it sends. */
export function askChild(script, args, environment) {
  return new Promise((resolve, reject) => {
    const child = fork(script, args, {
      env: { ...process.env, ...environment },
      serialization: 'advanced',
    })
    child.once('message', (answer) => {
      child.disconnect()
      resolve(answer)
    })
    child.once('exit', (code) => reject(new Error(`the child ended with ${code}`)))
  })
}

export function average(list) {
  return list.reduce((sum, x) => sum + x, 0) / list.length
}

export function dot(a, b) {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i]
  return sum
}

export function cosine(a, b) {
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
}
