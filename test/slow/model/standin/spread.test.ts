/** 24 layers take a minute or more. */
import { outputsSpread } from '../../../model/standin/spread.js'

outputsSpread('full')
