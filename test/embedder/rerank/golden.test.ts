/** test/slow/embedder/rerank/golden.test.ts has checkpoints of a real model's width. */
import { agreesWithGolden, tokenizesAsGolden } from './golden.js'

tokenizesAsGolden('xlmr')
tokenizesAsGolden('bert')
agreesWithGolden('xlmr', 'xlmr-tiny', 1e-4)
agreesWithGolden('bert', 'bert-tiny', 1e-4)
