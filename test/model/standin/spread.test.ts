import { outputsSpread } from './spread.js'

outputsSpread('tiny')
outputsSpread('small')
