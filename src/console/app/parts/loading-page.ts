import { html, nothing, type TemplateResult } from 'lit';
import { state } from 'lit/decorators.js';
import { inWords } from '../api/problem.js';
import { readClock } from '../context.js';
import { Page } from './page.js';

/** A page that failed is asked for again sooner, so that it is back soon after the server is. */
const AFTER_FAILURE_MS = 3000;

/** A page that shows what the server has, asks for it again and again, and says when it could not. */
export abstract class LoadingPage extends Page {
  /** Milliseconds between two askings. */
  protected abstract readonly refreshMs: number;
  @state() private loaded = false;
  @state() private failure: string | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Askings that were begun; only the last one's end sets the time of the next. */
  #asked = 0;

  /** Asks the server and keeps what it says. */
  protected abstract load(): Promise<void>;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#again();
    addEventListener('online', this.#again);
    document.addEventListener('visibilitychange', this.#seen);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.#timer);
    removeEventListener('online', this.#again);
    document.removeEventListener('visibilitychange', this.#seen);
  }

  protected async refresh(): Promise<void> {
    const asked = ++this.#asked;
    clearTimeout(this.#timer);
    try {
      await this.load();
      this.loaded = true;
      this.failure = null;
    } catch (thrown) {
      this.failure = inWords(thrown);
    }
    if (!this.isConnected || asked !== this.#asked) return;
    const inMs = this.failure === null ? this.refreshMs : Math.min(this.refreshMs, AFTER_FAILURE_MS);
    this.#timer = setTimeout(() => void this.refresh(), inMs);
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

  /** The clock as well: a device that slept may have stopped the one that countdowns run on. */
  #again = () => {
    void readClock();
    void this.refresh();
  };

  /** Browsers let a page that nobody sees ask seldom or never: what it shows is old when it is looked at again. */
  #seen = () => {
    if (document.visibilityState === 'visible') this.#again();
  };
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
