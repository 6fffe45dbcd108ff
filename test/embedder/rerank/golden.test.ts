/** test/slow/embedder/rerank/golden.test.ts has checkpoints of a real model's width. */
import { agreesWithGolden, tokenizesAsGolden } from './golden.js'

tokenizesAsGolden('xlmr')
tokenizesAsGolden('bert')
agreesWithGolden('xlmr', 'xlmr-tiny', 1e-4)
agreesWithGolden('bert', 'bert-tiny', 1e-4)
// weights and activations of 8 bits
agreesWithGolden('xlmr', 'xlmr-tiny', 0.15, 'q8_0')
agreesWithGolden('bert', 'bert-tiny', 0.15, 'q8_0')
