import { html, type TemplateResult } from 'lit';

/** A field for a password that is being chosen. */
export function newPassword(label: string, name: string): TemplateResult {
  return html`
    <label>
      ${label} <input name=${name} type="password" autocomplete="new-password" minlength="8" required />
      <small>At least 8 characters. A few words that nobody guesses are better than one with signs in it.</small>
    </label>
  `;
}
