import { html, nothing, type TemplateResult } from 'lit';

export type Tone = 'plain' | 'good' | 'warn' | 'bad' | 'mine';

/** A short word on a state; its colour says nothing that the word does not. */
export function tag(text: string, tone: Tone = 'plain'): TemplateResult {
  return html`<span class="tag ${tone}">${text}</span>`;
}

/** A field for the reason that whoever it concerns will read. @param hint says when one may be left out; without it, never */
export function reasonField(whoReads: string, hint = ''): TemplateResult {
  const said = hint === '' ? nothing : html`<small>${hint}</small>`;
  return html`<label>Reason, ${whoReads} <input name="reason" maxlength="500" ?required=${hint === ''} autocomplete="off" />${said}</label>`;
}
