/** `bge-m3-node/langchain`: an `EmbeddingsInterface` of LangChain.js. */
export * from '../integrations/frameworks/langchain.js'
