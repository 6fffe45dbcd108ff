import { agreesWithReference } from '../../embedder/reference.js'

agreesWithReference('bert-base')
