import { retrieval } from '../../real/retrieval.js'

retrieval(240)
