import { retrieval } from './retrieval.js'

retrieval(40)
