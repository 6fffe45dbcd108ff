import { mixedJob } from './mixed-job.js'

mixedJob(2000)
