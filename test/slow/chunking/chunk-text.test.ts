import { chunksAreSound } from '../../chunking/sound.js'
import { TIMES } from '../times.js'

chunksAreSound({ real: 150 * TIMES, random: 3000 * TIMES, monsterSize: 1_000_000 })
