import { roundingKeepsOrder } from '../../quality/quantization.js'

roundingKeepsOrder('small', 60)
