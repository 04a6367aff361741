import { html, nothing } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { api, session } from '../context.js';
import { field, Page, secretField } from '../parts/page.js';

const AFTER_REFUSAL = { bad_token: 'Ask an administrator for a new one.' };

/** Uses a one-time link: the first admin's, or one to set a new password. */
@customElement('curfew-redeem')
export class RedeemPage extends Page {
  @property({ attribute: false }) token: string | null = null;
  @state() private used = false;

  protected override render() {
    if (this.used) return this.#finished();
    return html`
      <div class="page gate">
        <h1 tabindex="-1">Set your password</h1>
        <form class="card form" @submit=${this.#submit}>
          ${this.token === null
            ? html`<label>Code of the link <input name="token" autocomplete="off" required /></label>`
            : nothing}
          <p class="muted small">Name and e-mail are needed for the first administrator only.</p>
          <label>Name <input name="name" autocomplete="name" /></label>
          <label>E-mail <input name="email" type="email" autocomplete="username" /></label>
          <label>
            New password
            <input name="password" type="password" autocomplete="new-password" minlength="8" required />
          </label>
          ${this.outcome()}
          <button class="primary" ?disabled=${this.pending}>Set password</button>
        </form>
      </div>
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
    const [name, email] = [field(form, 'name'), field(form, 'email')];
    void this.attempt(async () => {
      const reply = await api.redeem({
        token: this.token ?? field(form, 'token'),
        password: secretField(form, 'password'),
        ...(name === '' ? {} : { name }),
        ...(email === '' ? {} : { email }),
      });
      this.token = null;
      if (reply?.access_token !== undefined && reply.user !== undefined) {
        session.begin({ token: reply.access_token, user: reply.user });
      } else {
        this.used = true;
      }
    }, AFTER_REFUSAL);
  };
}
