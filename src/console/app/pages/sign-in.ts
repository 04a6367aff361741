import { html, nothing } from 'lit';
import { customElement, state } from 'lit/decorators.js';
import { api, session } from '../context.js';
import { field, Page, secretField } from '../parts/page.js';

const AFTER_REFUSAL = { bad_token: 'Check both and try again, or ask an administrator for a link to set a new one.' };

@customElement('curfew-sign-in')
export class SignInPage extends Page {
  /** Whether people may make themselves an account here; until that is known, as if not. */
  @state() private registration = false;

  override connectedCallback(): void {
    super.connectedCallback();
    void this.#ask();
  }

  protected override render() {
    return html`
      <div class="page gate">
        <h1 tabindex="-1">Sign in</h1>
        <form class="card form" @submit=${this.#submit}>
          ${session.hasExpired ? html`<p class="notice" role="status">Your sign-in has expired. Sign in again to go on where you were.</p>` : nothing}
          <label>E-mail <input name="email" type="email" autocomplete="username" required autofocus /></label>
          <label>Password <input name="password" type="password" autocomplete="current-password" required /></label>
          ${this.outcome()}
          <button class="primary" ?disabled=${this.pending}>${this.pending ? 'Signing in…' : 'Sign in'}</button>
        </form>
        ${this.registration
          ? html`
              <p>No account yet? <a href="#/register">Create one</a></p>
              <p class="muted small">Forgot the password? Ask the lab's administrators.</p>
            `
          : html`<p class="muted small">Forgot the password, or no account yet? Ask the lab's administrators.</p>`}
      </div>
    `;
  }

  async #ask(): Promise<void> {
    // Without an answer, whoever cannot sign in asks the administrators.
    const config = await api.config().catch(() => null);
    this.registration = config?.registration === true;
  }

  #submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.target as HTMLFormElement;
    void this.attempt(async () => {
      const reply = await api.login(field(form, 'email'), secretField(form, 'password'));
      session.begin({ token: reply.access_token, user: reply.user });
    }, AFTER_REFUSAL);
  };
}
