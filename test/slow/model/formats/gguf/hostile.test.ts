import { damagedFiles } from '../../../../model/formats/gguf/damage.js'
import { TIMES } from '../../../times.js'

damagedFiles({ step: 1, changes: 20_000 * TIMES })
