import { html, LitElement, nothing, type TemplateResult } from 'lit';
import { state } from 'lit/decorators.js';
import { keyed } from 'lit/directives/keyed.js';
import { inWords } from '../api/problem.js';
import './dialog.js';
import type { Dialog, Question } from './dialog.js';

/**
 * What the console's pages share. They draw into the document itself, so that its one style sheet, password managers and
 * `label for` work as anywhere.
 */
export abstract class Page extends LitElement {
  @state() protected problem: string | null = null;
  @state() protected done: string | null = null;
  @state() protected pending = false;
  @state() private question: Question | null = null;

  protected override createRenderRoot(): this {
    return this;
  }

  /**
   * Runs one thing a person asked for; a failure is shown in words. Says whether it was done.
   *
   * @param next what to do about refusals, by code, where this page knows better
   */
  protected async attempt(action: () => Promise<void>, next: Readonly<Record<string, string>> = {}): Promise<boolean> {
    if (this.pending) return false;
    this.pending = true;
    this.problem = null;
    this.done = null;
    try {
      await action();
      return true;
    } catch (thrown) {
      this.problem = inWords(thrown, next);
      return false;
    } finally {
      this.pending = false;
    }
  }

  /** Opens a dialog; what came of it is said where `outcome` stands. */
  protected ask(question: Question): void {
    this.problem = null;
    this.done = null;
    this.question = question;
  }

  /** Called after a dialog did what it was asked. */
  protected afterwards(): void {}

  /** Where the outcome of what was asked is shown, and read out; and the open dialog, if any. */
  protected outcome(): TemplateResult {
    return html`
      <div class="outcome">
        <div role="alert">${this.problem === null ? nothing : html`<p class="notice error">${this.problem}</p>`}</div>
        <div role="status">${this.done === null ? nothing : html`<p class="notice done">${this.done}</p>`}</div>
      </div>
      ${this.question === null
        ? nothing
        : keyed(this.question, html`<curfew-dialog .question=${this.question} @answered=${this.#answered}></curfew-dialog>`)}
    `;
  }

  #answered = (event: CustomEvent<string | Question | null>) => {
    // A dialog's closing is told a little later, when the next one may be open already.
    if ((event.target as Dialog).question !== this.question) return;
    this.question = typeof event.detail === 'string' ? null : event.detail;
    if (event.detail === null) return;
    if (typeof event.detail === 'string' && event.detail !== '') this.done = event.detail;
    this.afterwards();
  };
}

/** The text of a named field of the form that an event came from. */
export function field(form: HTMLFormElement, name: string): string {
  return secretField(form, name).trim();
}

/** Like `field`, with spaces kept: they are part of a password. */
export function secretField(form: HTMLFormElement, name: string): string {
  const value = new FormData(form).get(name);
  return typeof value === 'string' ? value : '';
}
