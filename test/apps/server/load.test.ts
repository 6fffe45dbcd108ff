import { standsLoad } from './load.js'

standsLoad(4)
