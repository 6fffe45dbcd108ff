/** test/slow/exports/hostile-values.test.ts tries more of them. */
import { hostileValuesAreRefused } from './hostile-values.js'

hostileValuesAreRefused(20)
