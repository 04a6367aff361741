import { html } from 'lit';
import { customElement, state } from 'lit/decorators.js';
import { api, session } from '../context.js';
import { field, Page, secretField } from '../parts/page.js';
import { newPassword } from '../parts/password.js';

const AFTER_REFUSAL = { conflict: 'Sign in with it, or give another.' };

/** Makes oneself an account, in a lab that lets people do so. */
@customElement('curfew-register')
export class RegisterPage extends Page {
  /** The account is there, and signing in to it failed. */
  @state() private made = false;

  protected override render() {
    if (this.made) return this.#finished();
    return html`
      <div class="page gate">
        <h1 tabindex="-1">Create an account</h1>
        <form class="card form" @submit=${this.#submit}>
          <label>Your name <input name="name" maxlength="200" autocomplete="name" required autofocus /></label>
          <label>E-mail <input name="email" type="email" autocomplete="username" required /><small>You sign in with it.</small></label>
          ${newPassword('Password', 'password')} ${this.outcome()}
          <button class="primary" ?disabled=${this.pending}>${this.pending ? 'Creating…' : 'Create the account'}</button>
        </form>
        <p class="muted small">You have one already? <a href="#/sign-in">Sign in</a></p>
      </div>
    `;
  }

  #finished() {
    return html`
      <div class="page gate">
        <h1 tabindex="-1">Your account is there</h1>
        <p><a href="#/sign-in">Sign in</a> with your e-mail and your password.</p>
      </div>
    `;
  }

  #submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.target as HTMLFormElement;
    const [email, password] = [field(form, 'email'), secretField(form, 'password')];
    void this.attempt(async () => {
      await api.register({ name: field(form, 'name'), email, password });
      try {
        const reply = await api.login(email, password);
        session.begin({ token: reply.access_token, user: reply.user });
      } catch {
        this.made = true;
      }
    }, AFTER_REFUSAL);
  };
}
