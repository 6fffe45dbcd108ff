import { workersThatDie } from './crash.js'

workersThatDie(300, 300)
