/** At a real model's width: a gigabyte of weights is written and read. */
import { agreesWithGolden } from '../../../embedder/rerank/golden.js'

agreesWithGolden('bert', 'bert', 1e-4)
agreesWithGolden('xlmr', 'xlmr', 1e-4)
agreesWithGolden('bert', 'bert', 0.15, 'q8_0')
agreesWithGolden('xlmr', 'xlmr', 0.15, 'q8_0')
