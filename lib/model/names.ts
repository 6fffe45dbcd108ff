/**
 * The models that are known by name: where each is on the hub and what it is. Facts from the models' own
 * cards and configurations. A revision is a branch where no commit could be checked from here; what is
 * pulled records the commit it came from.
 */

import { BGE_M3_PINS, type FixedPin, MODEL_PIN } from './pins.js'
import type { Prompts } from './prompts.js'

/** Architectures, as a checkpoint's `model_type` has them, that this version converts and runs. */
const RUNNABLE = ['xlm-roberta', 'bert'] as const

/** A row of the table. */
export interface NamedModel {
  /** How it is called here, as on its card. */
  readonly name: string
  /** The official checkpoint. */
  readonly repository: string
  /** Where GGUFs of it are, if not in the checkpoint's own repository. */
  readonly ggufRepository?: string
  /** A branch or a commit of the checkpoint's repository. */
  readonly revision: string
  /** All files, where their bytes are fixed: nothing is asked of the hub then. */
  readonly pins?: readonly FixedPin[]
  /** SHA-256 of files that are known, by their path: another content is refused. */
  readonly sha256?: Readonly<Record<string, string>>
  /** `model_type` of its configuration. */
  readonly architecture: string
  /** Numbers in a dense vector. */
  readonly dimensions: number
  /** The most tokens that it was made for, specials included. */
  readonly maxTokens: number
  /** How token states become a vector; `rank` is a re-ranker's score. */
  readonly pooling: 'cls' | 'mean' | 'rank'
  /** What it wants in front of texts. */
  readonly prompts?: Prompts
  /** SPDX identifier, or the licence's own name. */
  readonly licence: string
  /** For people. */
  readonly languages: string
}

const BGE_EN = {
  revision: 'main',
  architecture: 'bert',
  maxTokens: 512,
  pooling: 'cls',
  prompts: { texts: { query: 'Represent this sentence for searching relevant passages: ' } },
  licence: 'MIT',
  languages: 'English',
} as const

const E5 = {
  revision: 'main',
  maxTokens: 512,
  pooling: 'mean',
  licence: 'MIT',
  languages: 'about 100',
} as const
const E5_PROMPTS = { texts: { query: 'query: ', passage: 'passage: ' } } as const

const SBERT = { revision: 'main', pooling: 'mean', licence: 'Apache-2.0' } as const

const RANKER = { revision: 'main', dimensions: 1, maxTokens: 512, pooling: 'rank' } as const
const BGE_RERANKER = {
  ...RANKER,
  architecture: 'xlm-roberta',
  licence: 'MIT',
  languages: 'Chinese and English',
} as const
const MS_MARCO = {
  ...RANKER,
  architecture: 'bert',
  licence: 'Apache-2.0',
  languages: 'English',
} as const

/** In the order of `bge-m3 model list`. */
export const NAMED_MODELS: readonly NamedModel[] = [
  {
    name: 'bge-m3',
    repository: 'BAAI/bge-m3',
    ggufRepository: MODEL_PIN.repository,
    revision: 'main',
    pins: BGE_M3_PINS,
    architecture: 'xlm-roberta',
    dimensions: 1024,
    maxTokens: 8192,
    pooling: 'cls',
    licence: 'MIT',
    languages: 'about 100',
  },
  {
    ...BGE_EN,
    name: 'bge-small-en-v1.5',
    repository: 'BAAI/bge-small-en-v1.5',
    ggufRepository: 'CompendiumLabs/bge-small-en-v1.5-gguf',
    dimensions: 384,
  },
  {
    ...BGE_EN,
    name: 'bge-base-en-v1.5',
    repository: 'BAAI/bge-base-en-v1.5',
    ggufRepository: 'CompendiumLabs/bge-base-en-v1.5-gguf',
    dimensions: 768,
  },
  {
    ...BGE_EN,
    name: 'bge-large-en-v1.5',
    repository: 'BAAI/bge-large-en-v1.5',
    ggufRepository: 'CompendiumLabs/bge-large-en-v1.5-gguf',
    dimensions: 1024,
  },
  {
    ...E5,
    name: 'multilingual-e5-small',
    repository: 'intfloat/multilingual-e5-small',
    architecture: 'bert',
    dimensions: 384,
    prompts: E5_PROMPTS,
  },
  {
    ...E5,
    name: 'multilingual-e5-base',
    repository: 'intfloat/multilingual-e5-base',
    architecture: 'xlm-roberta',
    dimensions: 768,
    prompts: E5_PROMPTS,
  },
  {
    ...E5,
    name: 'multilingual-e5-large',
    repository: 'intfloat/multilingual-e5-large',
    architecture: 'xlm-roberta',
    dimensions: 1024,
    prompts: E5_PROMPTS,
  },
  {
    ...E5,
    name: 'multilingual-e5-large-instruct',
    repository: 'intfloat/multilingual-e5-large-instruct',
    architecture: 'xlm-roberta',
    dimensions: 1024,
    prompts: {
      texts: {
        query:
          'Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: ',
      },
    },
  },
  {
    ...SBERT,
    name: 'all-MiniLM-L6-v2',
    repository: 'sentence-transformers/all-MiniLM-L6-v2',
    sha256: {
      'model.safetensors': '53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db',
    },
    architecture: 'bert',
    dimensions: 384,
    maxTokens: 256,
    languages: 'English',
  },
  {
    ...SBERT,
    name: 'all-MiniLM-L12-v2',
    repository: 'sentence-transformers/all-MiniLM-L12-v2',
    architecture: 'bert',
    dimensions: 384,
    maxTokens: 128,
    languages: 'English',
  },
  {
    ...SBERT,
    name: 'all-mpnet-base-v2',
    repository: 'sentence-transformers/all-mpnet-base-v2',
    architecture: 'mpnet',
    dimensions: 768,
    maxTokens: 384,
    languages: 'English',
  },
  {
    ...SBERT,
    name: 'paraphrase-multilingual-MiniLM-L12-v2',
    repository: 'sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2',
    architecture: 'bert',
    dimensions: 384,
    maxTokens: 128,
    languages: 'about 50',
  },
  {
    ...SBERT,
    name: 'sentence-t5-base',
    repository: 'sentence-transformers/sentence-t5-base',
    architecture: 't5',
    dimensions: 768,
    maxTokens: 256,
    languages: 'English',
  },
  {
    name: 'snowflake-arctic-embed-l-v2.0',
    repository: 'Snowflake/snowflake-arctic-embed-l-v2.0',
    revision: 'main',
    architecture: 'xlm-roberta',
    dimensions: 1024,
    maxTokens: 8192,
    pooling: 'cls',
    prompts: { texts: { query: 'query: ' } },
    licence: 'Apache-2.0',
    languages: 'about 70',
  },
  {
    name: 'gte-multilingual-base',
    repository: 'Alibaba-NLP/gte-multilingual-base',
    revision: 'main',
    architecture: 'new',
    dimensions: 768,
    maxTokens: 8192,
    pooling: 'cls',
    licence: 'Apache-2.0',
    languages: 'about 70',
  },
  {
    name: 'nomic-embed-text-v1.5',
    repository: 'nomic-ai/nomic-embed-text-v1.5',
    ggufRepository: 'nomic-ai/nomic-embed-text-v1.5-GGUF',
    revision: 'main',
    architecture: 'nomic_bert',
    dimensions: 768,
    maxTokens: 8192,
    pooling: 'mean',
    prompts: {
      texts: {
        query: 'search_query: ',
        document: 'search_document: ',
        clustering: 'clustering: ',
        classification: 'classification: ',
      },
    },
    licence: 'Apache-2.0',
    languages: 'English',
  },
  {
    name: 'embeddinggemma-300m',
    repository: 'google/embeddinggemma-300m',
    ggufRepository: 'ggml-org/embeddinggemma-300M-GGUF',
    revision: 'main',
    architecture: 'gemma3_text',
    dimensions: 768,
    maxTokens: 2048,
    pooling: 'mean',
    prompts: {
      texts: {
        query: 'task: search result | query: ',
        document: 'title: none | text: ',
      },
    },
    licence: 'Gemma',
    languages: 'about 100',
  },
  {
    name: 'bge-reranker-v2-m3',
    repository: 'BAAI/bge-reranker-v2-m3',
    revision: 'main',
    architecture: 'xlm-roberta',
    dimensions: 1,
    maxTokens: 8192,
    pooling: 'rank',
    licence: 'Apache-2.0',
    languages: 'about 100',
  },
  { ...BGE_RERANKER, name: 'bge-reranker-base', repository: 'BAAI/bge-reranker-base' },
  { ...BGE_RERANKER, name: 'bge-reranker-large', repository: 'BAAI/bge-reranker-large' },
  { ...MS_MARCO, name: 'ms-marco-MiniLM-L6-v2', repository: 'cross-encoder/ms-marco-MiniLM-L6-v2' },
  {
    ...MS_MARCO,
    name: 'ms-marco-MiniLM-L12-v2',
    repository: 'cross-encoder/ms-marco-MiniLM-L12-v2',
  },
]

/** Whether this version can run it. */
export function isRunnable({ architecture }: NamedModel): boolean {
  return (RUNNABLE as readonly string[]).includes(architecture)
}

const BY_NAME = new Map(
  NAMED_MODELS.flatMap((model) => [
    [model.name.toLowerCase(), model],
    [model.repository.toLowerCase(), model],
  ]),
)

/** By its name or its hub id, whatever the case of its letters, as the hub takes them. */
export function namedModel(name: string): NamedModel | undefined {
  return BY_NAME.get(name.toLowerCase())
}

/** The model that files of a repository are of: the official one, or one of its GGUFs. */
export function modelOfRepository(repository: string): NamedModel | undefined {
  const wanted = repository.toLowerCase()
  return (
    BY_NAME.get(wanted) ?? NAMED_MODELS.find((one) => one.ggufRepository?.toLowerCase() === wanted)
  )
}
