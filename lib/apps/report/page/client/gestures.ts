/** Pointer, wheel and keys to camera moves and selections. */

import { panned, rotated, START, zoomed } from './camera.js'
import type { Scatter } from './scatter.js'

interface Gestures {
  /** The camera has moved. */
  moved(): void
  /** A point was clicked; -1 beside all. */
  picked(point: number): void
  hovered(point: number, place: { x: number; y: number }): void
  /** A rectangle was drawn with Shift held. */
  boxed(points: number[]): void
  /** Next (1) or previous (-1) of the points found. */
  stepped(by: 1 | -1): void
  cleared(): void
}

/** Movement below this many pixels is a click. */
const CLICK = 4

export function listen(scatter: Scatter, box: HTMLElement, on: Gestures): void {
  const { canvas } = scatter
  const held = new Map<number, { x: number; y: number }>()
  let start = { x: 0, y: 0 }
  let isClick = false
  let isBox = false

  const place = (event: MouseEvent) => {
    const { left, top } = canvas.getBoundingClientRect()
    return { x: event.clientX - left, y: event.clientY - top }
  }
  const half = () => Math.min(canvas.clientWidth, canvas.clientHeight) / 2
  const move = (dx: number, dy: number) => {
    scatter.camera =
      scatter.points.dims === 3
        ? rotated(scatter.camera, dx / half(), dy / half())
        : panned(scatter.camera, dx / half(), dy / half())
    on.moved()
  }
  const zoom = (factor: number, at = { x: canvas.clientWidth / 2, y: canvas.clientHeight / 2 }) => {
    const centre = {
      x: (at.x - canvas.clientWidth / 2) / half(),
      y: (at.y - canvas.clientHeight / 2) / half(),
    }
    scatter.camera = zoomed(scatter.camera, factor, centre)
    on.moved()
  }

  canvas.addEventListener('pointerdown', (event) => {
    canvas.focus()
    canvas.setPointerCapture(event.pointerId)
    start = place(event)
    isClick = held.size === 0
    isBox = event.shiftKey && held.size === 0
    held.set(event.pointerId, start)
  })
  canvas.addEventListener('pointermove', (event) => {
    const now = place(event)
    const before = held.get(event.pointerId)
    if (!before) {
      on.hovered(scatter.pointAt(now.x, now.y), now)
      return
    }
    held.set(event.pointerId, now)
    if (Math.hypot(now.x - start.x, now.y - start.y) > CLICK) isClick = false
    if (isBox) {
      frame(box, start, now)
      return
    }
    const other = [...held].find(([id]) => id !== event.pointerId)?.[1]
    if (other) {
      const spread = Math.hypot(now.x - other.x, now.y - other.y)
      const spreadBefore = Math.hypot(before.x - other.x, before.y - other.y)
      const middle = { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 }
      if (spreadBefore > 0) zoom(spread / spreadBefore, middle)
    } else if (!isClick) {
      move(now.x - before.x, now.y - before.y)
    }
  })
  const end = (event: PointerEvent) => {
    const now = place(event)
    if (!held.delete(event.pointerId)) return
    box.hidden = true
    if (event.type === 'pointercancel') return
    if (isBox && !isClick) {
      const [left, right] = [Math.min(start.x, now.x), Math.max(start.x, now.x)]
      const [top, bottom] = [Math.min(start.y, now.y), Math.max(start.y, now.y)]
      on.boxed(scatter.pointsWithin(left, top, right, bottom))
    } else if (isClick) {
      on.picked(scatter.pointAt(now.x, now.y))
    }
  }
  canvas.addEventListener('pointerup', end)
  canvas.addEventListener('pointercancel', end)
  canvas.addEventListener('pointerleave', () => on.hovered(-1, { x: 0, y: 0 }))
  canvas.addEventListener(
    'wheel',
    (event) => {
      // the page scrolls until one has clicked into the map
      if (document.activeElement !== canvas && !event.ctrlKey) return
      event.preventDefault()
      zoom(Math.exp(-Math.max(-80, Math.min(80, event.deltaY)) / 300), place(event))
    },
    { passive: false },
  )
  const keys: Record<string, () => void> = {
    ArrowLeft: () => move(-24, 0),
    ArrowRight: () => move(24, 0),
    ArrowUp: () => move(0, -24),
    ArrowDown: () => move(0, 24),
    '+': () => zoom(1.25),
    '=': () => zoom(1.25),
    '-': () => zoom(0.8),
    '0': () => {
      scatter.camera = { ...START }
      on.moved()
    },
    n: () => on.stepped(1),
    p: () => on.stepped(-1),
    Escape: () => on.cleared(),
  }
  canvas.addEventListener('keydown', (event) => {
    const key = event.ctrlKey || event.metaKey || event.altKey ? undefined : keys[event.key]
    if (!key) return
    event.preventDefault()
    key()
  })
}

interface Place {
  x: number
  y: number
}

function frame(box: HTMLElement, a: Place, b: Place): void {
  box.hidden = false
  box.style.left = `${Math.min(a.x, b.x)}px`
  box.style.top = `${Math.min(a.y, b.y)}px`
  box.style.width = `${Math.abs(a.x - b.x)}px`
  box.style.height = `${Math.abs(a.y - b.y)}px`
}
