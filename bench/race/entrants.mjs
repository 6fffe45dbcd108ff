// Who takes part, and with what.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { benchCache } from './cache-dir.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))
const peers = path.resolve(here, '../peers')

/** Whether `npm install --ignore-scripts` was run in bench/peers. */
export function havePeers() {
  return fs.existsSync(path.join(peers, 'node_modules/onnxruntime-node'))
}

export function entrants({ model, threads, withPeers, longest }) {
  const own = (id, env) => ({
    id,
    own: true,
    env,
    module: path.join(here, 'bge-m3-node.mjs'),
    options: { model, threads },
  })
  const onnx = (id, attention) => ({
    id,
    module: path.join(peers, 'onnxruntime.mjs'),
    options: { folder: path.join(benchCache, 'onnx'), attention, threads },
  })
  const all = [own('ours', {}), own('ours, fixed', { BGE_M3_QUANT: 'fixed' })]
  if (withPeers) {
    all.push(onnx('onnxruntime int8, fused', 'fused'), onnx('onnxruntime int8, flash', 'flash'), {
      id: 'node-llama-cpp',
      module: path.join(peers, 'node-llama-cpp.mjs'),
      options: { model, threads, longest },
    })
  }
  return all
}
