import { html } from 'lit';
import { customElement } from 'lit/decorators.js';
import { api, session } from '../context.js';
import { Page, secretField } from '../parts/page.js';
import { newPassword } from '../parts/password.js';
import { ROLES } from '../words.js';

/** Who is signed in, and setting another password without being signed out here. */
@customElement('curfew-account')
export class AccountPage extends Page {
  protected override render() {
    const user = session.current?.user;
    return html`
      <div class="page narrow">
        <h1 tabindex="-1">Your account</h1>
        <dl class="card facts">
          <dt>Name</dt><dd>${user?.name}</dd>
          <dt>E-mail</dt><dd>${user?.email}</dd>
          <dt>Role</dt><dd>${user === undefined ? '' : ROLES[user.role]}</dd>
        </dl>
        <form class="card form" aria-labelledby="password-title" @submit=${this.#submit}>
          <h2 id="password-title">Change the password</h2>
          <input type="email" name="email" autocomplete="username" .value=${user?.email ?? ''} readonly hidden />
          <label>Password now <input name="old" type="password" autocomplete="current-password" required /></label>
          ${newPassword('New password', 'new')}
          <label>New password again <input name="again" type="password" autocomplete="new-password" required @input=${this.#compare} /></label>
          <p class="muted small">You stay signed in here. Everywhere else this account is signed out.</p>
          ${this.outcome()}
          <div class="row"><button class="primary" ?disabled=${this.pending}>Change password</button></div>
        </form>
      </div>
    `;
  }

  /** Told where the field is, as the browser tells everything else that is wrong with one. */
  #compare = (event: Event) => {
    const again = event.target as HTMLInputElement;
    const same = again.form === null || secretField(again.form, 'new') === again.value;
    again.setCustomValidity(same ? '' : 'The two new passwords differ. Type the same one twice.');
  };

  #submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.target as HTMLFormElement;
    const again = form.elements.namedItem('again') as HTMLInputElement;
    again.dispatchEvent(new Event('input'));
    if (!form.reportValidity()) return;
    void this.attempt(async () => {
      const { access_token: token, ...user } = await api.changePassword(secretField(form, 'old'), secretField(form, 'new'));
      session.begin({ token, user });
      form.reset();
      this.done = 'Your password is changed. You are still signed in here.';
    });
  };
}
