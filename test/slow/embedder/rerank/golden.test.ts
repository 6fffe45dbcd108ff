/** At a real model's width: a gigabyte of weights is written and read. */
import { agreesWithGolden } from '../../../embedder/rerank/golden.js'

agreesWithGolden('bert', 'bert', 2e-3)
agreesWithGolden('xlmr', 'xlmr', 2e-3)
