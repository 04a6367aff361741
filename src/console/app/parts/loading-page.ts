import { html, nothing, type TemplateResult } from 'lit';
import { state } from 'lit/decorators.js';
import { inWords } from '../api/problem.js';
import { Page } from './page.js';

/** A page that shows what the server has, asks for it again and again, and says when it could not. */
export abstract class LoadingPage extends Page {
  /** Milliseconds between two askings. */
  protected abstract readonly refreshMs: number;
  @state() private loaded = false;
  @state() private failure: string | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** Asks the server and keeps what it says. */
  protected abstract load(): Promise<void>;

  override connectedCallback(): void {
    super.connectedCallback();
    void this.refresh();
    this.#timer = setInterval(() => void this.refresh(), this.refreshMs);
    addEventListener('online', this.#again);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.#timer);
    removeEventListener('online', this.#again);
  }

  protected async refresh(): Promise<void> {
    try {
      await this.load();
      this.loaded = true;
      this.failure = null;
    } catch (thrown) {
      this.failure = inWords(thrown);
    }
  }

  protected override afterwards(): void {
    void this.refresh();
  }

  /** What was loaded, its outline while it is awaited, or why it did not come. */
  protected content(body: () => TemplateResult): TemplateResult {
    if (!this.loaded && this.failure === null) return skeleton();
    return html`
      ${this.failure === null ? nothing : this.#failed(this.failure)} ${this.loaded ? body() : nothing}
    `;
  }

  #failed(why: string): TemplateResult {
    return html`
      <div class="notice error row between" role="alert">
        <p>${this.loaded ? html`This may be out of date. ` : nothing}${why}</p>
        <button type="button" @click=${this.#again}>Try again</button>
      </div>
    `;
  }

  #again = () => void this.refresh();
}

function skeleton(): TemplateResult {
  return html`
    <div class="skeleton" role="status">
      <span class="unseen">Loading…</span>
      <div></div>
      <div></div>
      <div></div>
    </div>
  `;
}

/** In place of a list without entries: what that means and what to do about it. */
export function empty(what: string, next: unknown = nothing): TemplateResult {
  return html`<div class="card empty"><p>${what}</p>${next}</div>`;
}
