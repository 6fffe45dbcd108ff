/** `bge-m3-node/ai-sdk`: an `EmbeddingModel` of the Vercel AI SDK. */
export * from '../integrations/frameworks/ai-sdk.js'
