import { html, type TemplateResult } from 'lit';

export type Tone = 'plain' | 'good' | 'warn' | 'bad' | 'mine';

/** A short word on a state; its colour says nothing that the word does not. */
export function tag(text: string, tone: Tone = 'plain'): TemplateResult {
  return html`<span class="tag ${tone}">${text}</span>`;
}

/** A field for the reason that whoever it concerns will read. */
export function reasonField(whoReads: string): TemplateResult {
  return html`<label>Reason, ${whoReads} <input name="reason" maxlength="500" required autocomplete="off" /></label>`;
}
