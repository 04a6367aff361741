import { html, nothing } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { api, session } from '../context.js';
import { field, Page, secretField } from '../parts/page.js';
import { newPassword } from '../parts/password.js';

/** How the token of the link begins that creates the first administrator (docs/PROTOCOL.md). */
const FIRST_ADMIN = 'first-admin.';
const AFTER_REFUSAL = { bad_token: 'Ask an administrator for a new one.' };
const AFTER_FIRST_REFUSAL = { bad_token: 'Start the server again: while there is no administrator, it prints a new one.' };

/** Uses a one-time link: the first administrator's, or one to set a new password. */
@customElement('curfew-redeem')
export class RedeemPage extends Page {
  @property({ attribute: false }) token: string | null = null;
  @state() private used = false;
  /** The code as it is typed where the link brought none. */
  @state() private typed = '';

  protected override render() {
    if (this.used) return this.#finished();
    const first = this.#isFirst;
    return html`
      <div class="page gate">
        <h1 tabindex="-1">${first ? 'Welcome to Curfew' : 'Set your password'}</h1>
        ${first ? html`<p>You are this lab's first administrator. Everybody else gets an account from you.</p>` : nothing}
        <form class="card form" @submit=${this.#submit}>
          ${this.token === null ? this.#code() : nothing}
          ${first
            ? html`
                <label>Your name <input name="name" maxlength="200" autocomplete="name" required /></label>
                <label>E-mail <input name="email" type="email" autocomplete="username" required /><small>You sign in with it.</small></label>
              `
            : nothing}
          ${newPassword('New password', 'password')} ${this.outcome()}
          <button class="primary" ?disabled=${this.pending}>${first ? 'Create the account' : 'Set password'}</button>
        </form>
      </div>
    `;
  }

  get #isFirst(): boolean {
    return (this.token ?? this.typed).startsWith(FIRST_ADMIN);
  }

  #code() {
    const type = (event: Event) => (this.typed = (event.target as HTMLInputElement).value.trim());
    return html`
      <label>
        Code of the link <input name="token" autocomplete="off" spellcheck="false" required @input=${type} />
        <small>What stands behind “redeem/” in the link that you were given.</small>
      </label>
    `;
  }

  #finished() {
    return html`
      <div class="page gate">
        <h1 tabindex="-1">Password set</h1>
        <p>The link is used up. <a href="#/sign-in">Sign in</a> with your new password.</p>
      </div>
    `;
  }

  #submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.target as HTMLFormElement;
    const first = this.#isFirst;
    void this.attempt(async () => {
      const reply = await api.redeem({
        token: this.token ?? this.typed,
        password: secretField(form, 'password'),
        ...(first ? { name: field(form, 'name'), email: field(form, 'email') } : {}),
      });
      this.token = null;
      if (reply?.access_token !== undefined && reply.user !== undefined) {
        session.begin({ token: reply.access_token, user: reply.user });
      } else {
        this.used = true;
      }
    }, first ? AFTER_FIRST_REFUSAL : AFTER_REFUSAL);
  };
}
