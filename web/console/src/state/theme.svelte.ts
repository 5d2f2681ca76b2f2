export const THEMES = ['system', 'light', 'dark'] as const
export type Theme = (typeof THEMES)[number]

const KEY = 'console-theme'

/** Dark or light: as the system has it, unless the person chose. */
class ThemeChoice {
  #chosen = $state<Theme>(kept())

  constructor() {
    this.#apply()
  }

  get chosen(): Theme {
    return this.#chosen
  }

  choose(theme: Theme): void {
    this.#chosen = theme
    this.#apply()
    if (theme === 'system') localStorage.removeItem(KEY)
    else localStorage.setItem(KEY, theme)
  }

  #apply(): void {
    const { dataset } = document.documentElement
    if (this.#chosen === 'system') delete dataset['theme']
    else dataset['theme'] = this.#chosen
  }
}

function kept(): Theme {
  const text = localStorage.getItem(KEY)
  return THEMES.find((theme) => theme === text) ?? 'system'
}

export const theme = new ThemeChoice()
