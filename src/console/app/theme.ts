/** Light or dark: as the system has it, or as chosen here, which this browser remembers. */
export type Theme = 'system' | 'light' | 'dark';

const KEY = 'curfew.theme';

export function theme(): Theme {
  return isTheme(document.documentElement.dataset['theme']) ? document.documentElement.dataset['theme'] : 'system';
}

export function setTheme(theme: Theme): void {
  show(theme);
  try {
    if (theme === 'system') localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // Storage may be switched off; the choice then lasts as long as the page.
  }
}

/** Takes up what was chosen before. */
export function restoreTheme(): void {
  try {
    const kept = localStorage.getItem(KEY);
    if (isTheme(kept)) show(kept);
  } catch {
    // As the system has it, then.
  }
}

function show(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = theme;
}

function isTheme(value: unknown): value is Theme {
  return value === 'light' || value === 'dark' || value === 'system';
}
