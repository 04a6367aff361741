import { html, type TemplateResult } from 'lit';
import { browserZone } from '../time/zone.js';

/** Whose clock the times of a page go by: people and lab may be in different places. */
export function zoneNote(): TemplateResult {
  return html`<p class="muted small">Times are those of your clock: ${browserZone()}.</p>`;
}
