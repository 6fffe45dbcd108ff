import { roundingKeepsOrder } from './quantization.js'

roundingKeepsOrder('tiny', 25)
