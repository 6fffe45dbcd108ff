/**
 * Light, dark, or what the system says. A script of its own that runs before the page is drawn, so that
 * a chosen theme does not flash.
 */

type Theme = 'system' | 'light' | 'dark'

const ORDER: readonly Theme[] = ['system', 'light', 'dark']
const KEY = 'bge-m3-theme'

function stored(): Theme {
  try {
    const value = localStorage.getItem(KEY)
    return value === 'light' || value === 'dark' ? value : 'system'
  } catch {
    return 'system' // storage is forbidden
  }
}

function apply(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
  try {
    if (theme === 'system') localStorage.removeItem(KEY)
    else localStorage.setItem(KEY, theme)
  } catch {
    // it holds until the page is closed
  }
}

let current = stored()
apply(current)

document.addEventListener('DOMContentLoaded', () => {
  const button = document.getElementById('theme')
  if (!button) return
  const show = () => {
    button.textContent = `Theme: ${current}`
  }
  button.addEventListener('click', () => {
    current = ORDER[(ORDER.indexOf(current) + 1) % ORDER.length] as Theme
    apply(current)
    show()
  })
  show()
})
