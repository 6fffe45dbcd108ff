/** What to know about the model before believing a number. */
import type { WireStats } from '../../core/wire.js'
import { byId, h } from './dom.js'

let shown = ''

/** Writes only when something changed: it is called every second. */
export function showModel({ state, model }: WireStats): void {
  const lines = warnings(state, model)
  const facts = model
    ? [model.name, `${model.dimensions} dimensions`, `up to ${model.maxTokens} tokens`, model.isa]
    : []
  const now = JSON.stringify([lines, facts])
  if (now === shown) return
  shown = now
  byId('model').textContent = facts.filter(Boolean).join(' · ')
  const banner = byId('banner')
  banner.replaceChildren(...lines.map((line) => h('p', {}, line)))
  banner.hidden = lines.length === 0
}

function warnings(state: WireStats['state'], model: WireStats['model']): string[] {
  const lines = []
  if (state === 'loading') lines.push('The model is still being loaded.')
  if (state === 'failed') lines.push('The model could not be loaded; the server’s log says why.')
  if (state === 'draining') lines.push('The server is shutting down.')
  const missing = model ? (['sparse', 'colbert'] as const).filter((o) => !model.outputs[o]) : []
  if (missing.length > 0) {
    const names = missing.map((output) => (output === 'colbert' ? 'ColBERT' : output)).join(' or ')
    lines.push(
      `This model has no ${names} head, so only the scores that need none are shown. Start the server with --heads to load them.`,
    )
  }
  return lines
}
