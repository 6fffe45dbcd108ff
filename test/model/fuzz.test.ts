import { fuzzCheckpoints } from './fuzz.js'

fuzzCheckpoints(300)
