import { changesAreFollowed } from './changes.js'

changesAreFollowed(12)
