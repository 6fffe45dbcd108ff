/**
 * What the checks, comparisons and evaluations give. Every report is plain JSON: numbers are finite or
 * `null`, lists are arrays, and no text is in it.
 */

import type { MultiVector, SparseVector, Vector } from '../scoring/types.js'

/** The vectors of a set in order; unlike `VectorSet` they may differ in length, which is an issue. */
export type Vectors =
  | readonly Vector[]
  | { readonly data: Float32Array; readonly rows: number; readonly cols: number }

/** What can be wrong with a vector. `docs/quality.md` says which of it is found when. */
export type IssueKind =
  /** Another length than expected. */
  | 'dimension'
  /** A component is NaN or infinite. */
  | 'not-finite'
  /** All components are zero. */
  | 'zero'
  /** The Euclidean length is not 1, or not like that of the reference. */
  | 'norm'
  /** All components alike, or a few carry everything. */
  | 'collapsed'
  /** A run of zeros at the end: the rest of the vector is missing. */
  | 'truncated'
  /** The same vector as a different text has. */
  | 'duplicate'
  /** It does not lie where the vectors of the reference, or of its own set, lie. */
  | 'outlier'
  /** It is not the vector that the same text gave before, or gives now. */
  | 'mismatch'

/** All kinds of issues. */
export const ISSUE_KINDS: readonly IssueKind[] = [
  'dimension',
  'not-finite',
  'zero',
  'norm',
  'collapsed',
  'truncated',
  'duplicate',
  'outlier',
  'mismatch',
]

/** Something that is wrong with a vector. */
export interface Issue {
  kind: IssueKind
  /** `error`: the vector should not be used. `warning`: worth a look. */
  severity: 'error' | 'warning'
  /** For people; it holds numbers, never a text. */
  message: string
  /** What was measured, and the limit it passed, where there is a number. */
  value?: number
  limit?: number
}

/** The factors of a vector's soundness, each from 0 to 1, where 1 means that nothing is wrong. */
export interface ScoreParts {
  /** 1 for the expected length, else 0. */
  dimension: number
  /** 1 when all components are finite, else 0. */
  finite: number
  /** 1 within the tolerance, else the smaller of `norm / expected` and its inverse; 0 for zero. */
  norm: number
  /** 1 when the components vary as those of embeddings do, down to 0 for a constant vector. */
  spread: number
  /** Limit over distance where the reference's limit is passed, else 1; `null` without a reference. */
  typical: number | null
}

/** What `vectorQuality` found. */
export interface VectorQuality {
  /** Soundness, the product of the parts: 1 when nothing is wrong, 0 when the vector cannot be used. */
  score: number
  parts: ScoreParts
  /** Euclidean length; `null` when it is not finite. */
  norm: number | null
  issues: Issue[]
}

/**
 * What clean vectors of one model look like: made by `createReference`, applied by `vectorQuality` and
 * `qualityReport`. A Gaussian with a few principal directions and the same variance in all others
 * (probabilistic PCA), and limits found on vectors that it was not fitted to.
 */
export interface Reference {
  dimensions: number
  /** Vectors it was made of: fitted, and held out for the limits. */
  fitted: number
  heldOut: number
  /** The vectors' lengths: median and the lowest and highest that are not an issue. */
  norm: { median: number; low: number; high: number }
  /** Mean of the unit vectors. */
  mean: Float32Array
  /** Row-major, orthonormal principal directions. */
  directions: { data: Float32Array; rows: number; cols: number }
  /** Variance along each direction, and along each of all others. */
  variances: Float64Array
  noise: number
  /** The squared distances above which a vector is an outlier: within the directions, and off them. */
  limits: { within: number; off: number }
}

/** What a vector is held against. */
export interface VectorQualityOptions {
  /** The length a vector should have. Default: the reference's, else any. */
  expectedDim?: number | undefined
  reference?: Reference | undefined
  /**
   * Whether vectors should have length 1. Default: yes, but for `Int8Array` and `Uint8Array`, whose
   * scale is unknown. With `false` and a reference, lengths are held against the reference's.
   */
  normalized?: boolean | undefined
}

/** What a set is held against, and how much of it is looked at. */
export interface QualityOptions extends VectorQualityOptions {
  /** A name for each vector, for the issues. */
  ids?: readonly string[] | undefined
  /** The texts: equal vectors of equal texts are no duplicates. Nothing of them is kept. */
  texts?: readonly string[] | undefined
  /** Anything that is equal for equal texts, instead of the texts. */
  hashes?: readonly string[] | undefined
  /** Vectors that the same texts gave before, row by row (`undefined`: none): finds swapped rows. */
  expected?: readonly (Vector | undefined)[] | undefined
  /** A row differs from its expected one below this cosine. Default 0.99. */
  expectedCosine?: number | undefined
  /** Two rows of different texts are near-duplicates from this cosine. Default 0.98. */
  nearDuplicate?: number | undefined
  /** Vectors that are compared with each other at the most; of more a seeded sample. Default 20,000. */
  maxRows?: number | undefined
  /** Pairs whose similarity is measured at the most; of more a seeded sample. Default 100,000. */
  maxPairs?: number | undefined
  /** Issues that are listed at the most; all are counted. Default 1,000. */
  maxIssues?: number | undefined
  seed?: number | undefined
}

/** Counts in bins of equal width. */
export interface Histogram {
  /** Edges of the first and the last bin; bins are equally wide. */
  from: number
  to: number
  counts: number[]
}

/** A distribution of finite numbers. `histogram.counts` sum to `count`. */
export interface Distribution {
  count: number
  min: number
  p01: number
  p05: number
  p25: number
  median: number
  p75: number
  p95: number
  p99: number
  max: number
  mean: number
  /** Standard deviation (of the population). */
  sd: number
  histogram: Histogram
}

/** An issue of a row of a set. */
export interface ItemIssue extends Issue {
  index: number
  id?: string
  /** The row that it duplicates. */
  other?: { index: number; id?: string }
}

/** Two rows of a set that are (nearly) the same. */
export interface NearPair {
  a: number
  b: number
  idA?: string
  idB?: string
  cosine: number
}

/** What `qualityReport` found in a set. */
export interface QualityReport {
  kind: 'quality'
  /** Vectors in the set. */
  vectors: number
  /** The length expected, or that most vectors have; `null` for an empty set. */
  dimensions: number | null
  /** Soundness of the set, the product of the parts: it does not say how good the model is. */
  score: number
  parts: {
    /** Mean score of the vectors. */
    vectors: number
    /** Share of the vectors that no different text has too. */
    unique: number
    /** 1 up to a mean cosine of 0.9, then down to 0 at 1: a set that has collapsed says nothing. */
    diversity: number
  }
  /** Vectors with at least one error. */
  flagged: number
  /** Vectors with each kind of issue. */
  counts: Record<IssueKind, number>
  /** By row; at most `maxIssues`. */
  issues: ItemIssue[]
  issuesLeftOut: number
  /** The distribution of the vectors' scores, and the lowest 20 that are below 1. */
  scores: Distribution | null
  worst: { index: number; id?: string; score: number }[]
  /** Lengths of the vectors that are finite and have the right number of components. */
  norms: Distribution | null
  /** Cosines of pairs. `sampled`: not all pairs. */
  similarities: (Distribution & { pairs: number; sampled: boolean }) | null
  /** Mean cosine over all pairs, computed exactly: 0 when directions spread evenly, 1 when collapsed. */
  anisotropy: number | null
  /** Participation ratio of the covariance's eigenvalues: how many directions are in use. */
  effectiveDimension: number | null
  /** Share of the variance along the first principal directions (at most 10), descending. */
  variance: number[]
  duplicates: {
    /** Vectors that equal an earlier one, component by component: of a different text, of the same. */
    exact: number
    sameText: number
    /** Pairs at or above the threshold, of different texts where texts are known, exact ones included. */
    near: number
    threshold: number
    /** The most similar, at most 100. */
    pairs: NearPair[]
    rows: number
    sampled: boolean
  }
  outliers: {
    /** `null`: too few vectors, and no reference. */
    method: 'reference' | 'set' | null
    /** Vectors that were measured. */
    rows: number
    count: number
    /** How it was done, in a sentence. */
    description: string
  }
  /** What was sampled, left out, or cannot be said. */
  notes: string[]
}

/** Dense, sparse or ColBERT. */
export type OutputName = 'dense' | 'sparse' | 'colbert'

/** How two sets are compared; what is above a limit is sampled, the same way for the same seed. */
export interface CompareOptions {
  ids?: readonly string[] | undefined
  /** Neighbours of the overlap. Default 10. */
  k?: number | undefined
  /** Pairs for the rank correlation at the most; of more a seeded sample. Default 100,000. */
  maxPairs?: number | undefined
  /** Items whose neighbours are looked up at the most (dense). Default 200. */
  maxQueries?: number | undefined
  /** Items that are clustered at the most, and, of sparse and ColBERT, compared at all. Default 300. */
  maxItems?: number | undefined
  /** Clusters. Default: the square root of half the items, 2 to 20. */
  clusters?: number | undefined
  seed?: number | undefined
}

/** How well set B keeps what set A (the reference) says. */
export interface OutputComparison {
  items: number
  /** Rank correlation of the similarities of the same pairs in both sets. */
  preservation: {
    spearman: number | null
    pearson: number | null
    pairs: number
    sampled: boolean
    /** Mean and largest absolute difference of a pair's similarity. */
    meanDifference: number
    maxDifference: number
  }
  /** Share of an item's `k` nearest neighbours in A that are among its `k` nearest in B. */
  overlap: { k: number; mean: number; min: number; queries: number; sampled: boolean }
  /**
   * 1 - similarity of an item in A to itself in B: of dense vectors 1 - cosine, of sparse ones the
   * cosine of their weights, of ColBERT the cosine of the rows, averaged. `null` where the sets have no
   * common space (other dimensions or another model).
   */
  drift: (Distribution & { worst: { index: number; id?: string; drift: number }[] }) | null
  clusters: ClusterComparison | null
}

/** How the clusters of set A hold together in set B. */
export interface ClusterComparison {
  k: number
  items: number
  /** Mean similarity of an item to the others of its cluster (clusters of A), in A and in B. */
  coherence: { a: number; b: number }
  /** 1 - |b - a| / |a|, not below 0: the part of the coherence that B keeps. */
  retained: number
  /** Share of items whose nearest cluster in B is their nearest in A. */
  agreement: number
  /** Mean silhouette of A's clusters, in A and in B. */
  silhouette: { a: number; b: number }
}

/** What `compareEmbeddings` and `compareOutputs` found. */
export interface ComparisonReport {
  kind: 'comparison'
  items: number
  outputs: Partial<Record<OutputName, OutputComparison>>
  notes: string[]
}

/** The outputs of one text, as far as they are there. */
export interface ComparedOutputs {
  readonly dense?: Vector | undefined
  readonly sparse?: SparseVector | undefined
  readonly colbert?: MultiVector | undefined
}

/** A confidence interval. */
export type Interval = [low: number, high: number]

/** How one way of scoring did. Measures that were not asked for are missing. */
export interface ModeMetrics {
  'accuracy@1'?: number
  'accuracy@10'?: number
  'precision@10'?: number
  'recall@1'?: number
  'recall@10'?: number
  'recall@100'?: number
  'map@100'?: number
  'ndcg@10'?: number
  'mrr@10'?: number
  spearman?: number
  pearson?: number
}

/** Names of the measures. */
export type MetricName = keyof ModeMetrics
/** Ways of scoring that are evaluated beside each other. */
export type EvaluationMode = 'dense' | 'sparse' | 'colbert' | 'hybrid' | 'reranker'

/** The JSON of `bge-m3 evaluate --corpus ...` and `--sts`: modes side by side. */
export interface EvaluationReport extends Partial<Record<EvaluationMode, ModeMetrics>> {
  /** 95 % bootstrap intervals, by mode and measure. */
  ci: Partial<Record<EvaluationMode, Partial<Record<MetricName, Interval>>>>
  model?: string
  fingerprint?: string
  corpus?: { documents: number; failures: number }
  queries?: { evaluated: number; withoutRelevant: number; failures: number }
  sts?: { pairs: number; failures: number }
  /** Candidates by dense + sparse that ColBERT, hybrid and a re-ranker put in order. */
  rerank?: number
  weights?: [dense: number, sparse: number, colbert: number]
  bootstrap?: { samples: number; seed: number; confidence: number }
  seconds?: number
  notes: string[]
}
