/** test/slow/embedder/rerank/golden.test.ts has checkpoints of a real model's width. */
import { agreesWithGolden, tokenizesAsGolden } from './golden.js'

tokenizesAsGolden('xlmr')
tokenizesAsGolden('bert')
agreesWithGolden('xlmr', 'xlmr-tiny', 3e-3)
agreesWithGolden('bert', 'bert-tiny', 3e-3)
