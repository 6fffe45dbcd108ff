/** `bge-m3-node/llamaindex`: a `BaseEmbedding` of LlamaIndex.TS. */
export * from '../integrations/frameworks/llamaindex.js'
