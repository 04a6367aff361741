import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { inWords } from '../api/problem.js';

/** Something to be decided or filled in before it is done. */
export interface Question {
  title: string;
  /** What it means, and the fields of the form. */
  body: TemplateResult | string;
  /** What the button says that does it. */
  act: string;
  /** What the other button says; without one there is nothing to take back. */
  keep?: string;
  grave?: boolean;
  /** What to do about refusals, by code, where this question knows better. */
  next?: Readonly<Record<string, string>>;
  /** Does it, and answers with what to say about it, or with what to ask next. */
  run: (form: HTMLFormElement) => Promise<string | Question>;
}

/**
 * A modal form: it keeps the focus, Esc leaves it, and the focus goes back to where it came from. Fires `answered` with
 * what to say or to ask next, or null when it was left.
 */
@customElement('curfew-dialog')
export class Dialog extends LitElement {
  @property({ attribute: false }) question!: Question;
  @state() private problem: string | null = null;
  @state() private pending = false;
  @query('dialog') private dialog!: HTMLDialogElement;
  #opener: Element | null = null;

  protected override createRenderRoot(): this {
    return this;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#opener = document.activeElement;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    // What it was opened from may be gone by what it did: then the page begins again at its heading.
    const back = this.#opener?.isConnected === true ? this.#opener : document.querySelector('h1');
    if (back instanceof HTMLElement) back.focus();
  }

  protected override firstUpdated(_changed: PropertyValues): void {
    this.dialog.showModal();
    this.dialog.querySelector<HTMLElement>('input, select, textarea')?.focus();
  }

  protected override render() {
    const { title, body, act, keep, grave } = this.question;
    return html`
      <dialog class="dialog" aria-labelledby="dialog-title" @close=${() => this.#answer(null)} @cancel=${this.#onCancel}>
        <form class="form" @submit=${this.#submit}>
          <h2 id="dialog-title">${title}</h2>
          ${typeof body === 'string' ? html`<p>${body}</p>` : body}
          <div role="alert">${this.problem === null ? nothing : html`<p class="notice error">${this.problem}</p>`}</div>
          <div class="row end">
            ${keep === undefined ? nothing : html`<button type="button" ?disabled=${this.pending} @click=${() => this.dialog.close()}>${keep}</button>`}
            <button class=${grave === true ? 'primary grave' : 'primary'} ?disabled=${this.pending}>
              ${this.pending ? 'One moment…' : act}
            </button>
          </div>
        </form>
      </dialog>
    `;
  }

  /** What comes of something that runs already is to be seen: it may be a secret that is shown once. */
  #onCancel = (event: Event) => {
    if (this.pending) event.preventDefault();
  };

  #submit = (event: SubmitEvent) => {
    event.preventDefault();
    void this.#run(event.target as HTMLFormElement);
  };

  async #run(form: HTMLFormElement): Promise<void> {
    if (this.pending) return;
    this.pending = true;
    this.problem = null;
    try {
      this.#answer(await this.question.run(form));
    } catch (thrown) {
      this.problem = inWords(thrown, this.question.next);
    } finally {
      this.pending = false;
    }
  }

  #answer(detail: string | Question | null): void {
    this.dispatchEvent(new CustomEvent('answered', { detail }));
  }
}
