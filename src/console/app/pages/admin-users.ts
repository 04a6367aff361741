import { html, nothing, type TemplateResult } from 'lit';
import { customElement, state } from 'lit/decorators.js';
import type { Role, User } from '../api/types.js';
import { api, session } from '../context.js';
import { LoadingPage } from '../parts/loading-page.js';
import { LongList } from '../parts/long-list.js';
import { field, secretField } from '../parts/page.js';
import { newPassword } from '../parts/password.js';
import '../parts/secret.js';
import { table, type Column } from '../parts/table.js';
import { reasonField, tag } from '../parts/tag.js';
import { clock as timeOfDay } from '../time/format.js';
import { ROLES } from '../words.js';

/** The people: adding them, their role, suspending them, and letting them set a new password. */
@customElement('curfew-admin-users')
export class AdminUsersPage extends LoadingPage {
  protected override readonly refreshMs = 15_000;
  @state() private users: User[] = [];
  readonly #found = new LongList(this);

  protected override render() {
    return html`
      <div class="page">
        <div class="heading">
          <h1 tabindex="-1">People</h1>
          <button type="button" class="primary" @click=${this.#add}>Add a person</button>
        </div>
        ${this.outcome()} ${this.content(() => this.#list())}
      </div>
    `;
  }

  #list(): TemplateResult {
    const columns: Column<User>[] = [
      { head: 'Name', names: true, cell: ({ name }) => name },
      { head: 'E-mail', text: 'free', cell: ({ email }) => email },
      { head: 'Role', cell: ({ role, suspended }) => html`${tag(role, role === 'admin' ? 'mine' : 'plain')} ${suspended === true ? tag('suspended', 'bad') : nothing}` },
      { head: 'Actions', cell: (user) => this.#actions(user) },
    ];
    const found = this.#found.matching(this.users, ({ name, email, role, suspended }) => `${name} ${email} ${role} ${suspended === true ? 'suspended' : ''}`);
    return html`
      ${this.#found.field('Find a person', this.users, found)}
      ${found.length === 0 ? this.#found.nothingFound() : table('People with an account', columns, this.#found.first(found), ({ id }) => id)}
      ${this.#found.more(found)}
    `;
  }

  #actions(user: User): TemplateResult {
    const name = html`<span class="unseen"> ${user.name}</span>`;
    const own = user.id === session.current?.user.id;
    return html`
      <button type="button" @click=${() => this.#reset(user)}>Reset link…${name}</button>
      ${own
        ? html`<span class="muted small">This is you</span>`
        : html`
            <button type="button" @click=${() => this.#role(user)}>Role…${name}</button>
            <button type="button" class=${user.suspended === true ? '' : 'danger'} @click=${() => this.#suspend(user)}>
              ${user.suspended === true ? 'Reinstate…' : 'Suspend…'}${name}
            </button>
          `}
    `;
  }

  #role(user: User): void {
    this.ask({
      title: `Role of ${user.name}`,
      body: roleField(user.role),
      act: 'Change role',
      keep: 'Leave it',
      run: async (form) => {
        const role = field(form, 'role') as Role;
        await api.updateUser(user.id, { role });
        return `${user.name} is ${role === 'viewer' ? 'a viewer' : `an ${role}`} now.`;
      },
    });
  }

  #suspend(user: User): void {
    const suspended = user.suspended !== true;
    this.ask({
      title: suspended ? `Suspend ${user.name}?` : `Reinstate ${user.name}?`,
      body: html`
        <p>${suspended ? 'Running sessions end at once and bookings are cancelled. The account cannot sign in until it is reinstated.' : 'The account can sign in and book again.'}</p>
        ${suspended ? reasonField('for the log') : nothing}
      `,
      act: suspended ? 'Suspend' : 'Reinstate',
      keep: 'Leave it',
      grave: suspended,
      run: async (form) => {
        await api.updateUser(user.id, suspended ? { suspended, reason: field(form, 'reason') } : { suspended });
        return `${user.name} is ${suspended ? 'suspended' : 'reinstated'}.`;
      },
    });
  }

  #reset(user: User): void {
    this.ask({
      title: `A reset link for ${user.name}`,
      body: 'Whoever opens the link sets a new password for this account. It works once, and it is shown once: give it to this person only.',
      act: 'Make the link',
      keep: 'Leave it',
      run: async () => {
        const { url, expires_at } = await api.resetLink(user.id);
        return {
          title: `Reset link for ${user.name}`,
          body: html`
            <p>Good until ${timeOfDay(Date.parse(expires_at))}. It cannot be shown again.</p>
            <curfew-secret .value=${url}></curfew-secret>
          `,
          act: 'I have copied it',
          run: () => Promise.resolve(''),
        };
      },
    });
  }

  #add = () => {
    const body = html`
      <label>Name <input name="name" autocomplete="off" required /></label>
      <label>E-mail <input name="email" type="email" autocomplete="off" required /></label>
      ${newPassword('First password', 'password')}
      ${roleField('viewer')}
    `;
    this.ask({
      title: 'Add a person',
      body,
      act: 'Add person',
      keep: 'Leave it',
      run: async (form) => {
        const [name, email, password] = [field(form, 'name'), field(form, 'email'), secretField(form, 'password')];
        const user = await api.addUser({ name, email, password, role: field(form, 'role') as Role });
        return `${user.name} is added.`;
      },
    });
  };

  protected override async load(): Promise<void> {
    this.users = await api.adminUsers();
  }
}

function roleField(chosen: Role): TemplateResult {
  return html`
    <label>
      Role
      <select name="role">
        ${(Object.keys(ROLES) as Role[]).map((role) => html`<option value=${role} ?selected=${role === chosen}>${ROLES[role]}</option>`)}
      </select>
    </label>
  `;
}
