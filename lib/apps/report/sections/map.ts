/** The map: what it shows in words; the page draws it. */

import { notes } from '../html/fragments.js'
import { html } from '../html/markup.js'
import { MAX_LANDMARKS } from '../project/umap.js'
import type { MapData } from '../shared/data.js'
import { formatted, number } from '../shared/format.js'
import type { Section } from './section.js'

export function mapSection({ ids, sets, texts }: MapData): Section {
  const lines: string[] = []
  for (const { name, space } of sets) {
    const whose = sets.length > 1 ? ` of ${name}` : ''
    lines.push(
      `${space.dims} principal components${whose} hold ${formatted(space.explained, 'percent')} of the variance; clusters (k-means), neighbours and UMAP work on them.`,
    )
  }
  const hasUmap = sets[0]?.layouts.some(({ method }) => method === 'umap')
  if (hasUmap) {
    lines.push(
      ids.length > MAX_LANDMARKS
        ? `UMAP lays out ${number(MAX_LANDMARKS)} landmarks; every other point lies among the landmarks nearest to it. It shows which points are neighbours; distances between groups mean little.`
        : 'UMAP shows which points are neighbours; distances between groups mean little.',
    )
  }
  if (sets.length > 1) {
    lines.push(
      'The second layout starts from the first, so that a point lies at about the same place unless its neighbours changed.',
    )
  }
  if (!texts) lines.push('Texts are not known: --texts names the file that was embedded.')
  return {
    id: 'map',
    title: 'Map of the embedding space',
    charts: [],
    content: html`<noscript><p class="warning">The map is drawn by this file's script, which does not run here.</p></noscript>
<div id="map-root"></div>
${notes(lines)}`,
  }
}
