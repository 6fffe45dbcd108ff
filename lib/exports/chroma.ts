/** `bge-m3-node/chroma`: dense and sparse embedding functions of Chroma. */
export * from '../integrations/frameworks/chroma.js'
