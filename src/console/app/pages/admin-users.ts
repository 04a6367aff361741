import { html, nothing } from 'lit';
import { customElement, state } from 'lit/decorators.js';
import { inWords } from '../api/problem.js';
import type { Role, User } from '../api/types.js';
import { api } from '../context.js';
import { field, Page, secretField } from '../parts/page.js';

@customElement('curfew-admin-users')
export class AdminUsersPage extends Page {
  @state() private users: User[] | null = null;

  override connectedCallback(): void {
    super.connectedCallback();
    void this.#load();
  }

  protected override render() {
    return html`
      <div class="page">
        <h1 tabindex="-1">Manage people</h1>
        ${this.outcome()}
        <ul class="grid">
          ${this.users?.map(
            (user) => html`
              <li class="card">
                <div class="row between">
                  <h2>${user.name}</h2>
                  <span class="tag">${user.role}</span>
                </div>
                <p class="muted small">${user.email}</p>
                ${user.suspended === true ? html`<p><span class="tag bad">Suspended</span></p>` : nothing}
              </li>
            `,
          )}
        </ul>
        <form class="card form" @submit=${this.#add}>
          <h2>Add a person</h2>
          <div class="row">
            <label>Name <input name="name" autocomplete="off" required /></label>
            <label>E-mail <input name="email" type="email" autocomplete="off" required /></label>
            <label>Password <input name="password" type="password" autocomplete="new-password" minlength="8" required /></label>
            <label>
              Role
              <select name="role">
                <option value="viewer">Viewer</option>
                <option value="admin">Admin</option>
                <option value="auditor">Auditor</option>
              </select>
            </label>
          </div>
          <div><button class="primary" ?disabled=${this.pending}>Add person</button></div>
        </form>
      </div>
    `;
  }

  #add = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.target as HTMLFormElement;
    void this.attempt(async () => {
      const user = await api.addUser({
        name: field(form, 'name'),
        email: field(form, 'email'),
        password: secretField(form, 'password'),
        role: field(form, 'role') as Role,
      });
      form.reset();
      this.done = `${user.name} is added.`;
      await this.#load();
    });
  };

  async #load(): Promise<void> {
    try {
      this.users = (await api.adminUsers()).items;
    } catch (thrown) {
      this.problem = inWords(thrown);
    }
  }
}
