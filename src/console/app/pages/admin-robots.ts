import { html, nothing } from 'lit';
import { customElement, state } from 'lit/decorators.js';
import type { IssuedCredential, Robot } from '../api/types.js';
import { inWords } from '../api/problem.js';
import { api } from '../context.js';
import { field, Page } from '../parts/page.js';

@customElement('curfew-admin-robots')
export class AdminRobotsPage extends Page {
  @state() private robots: Robot[] | null = null;
  @state() private issued: { robot: Robot; credential: IssuedCredential } | null = null;

  override connectedCallback(): void {
    super.connectedCallback();
    void this.#load();
  }

  protected override render() {
    return html`
      <div class="page">
        <h1 tabindex="-1">Manage robots</h1>
        ${this.outcome()} ${this.#credential()}
        <ul class="grid">
          ${this.robots?.map(
            (robot) => html`
              <li class="card">
                <div class="row between">
                  <h2>${robot.name}</h2>
                  <span class="tag ${robot.online ? 'good' : ''}">${robot.online ? 'Online' : 'Offline'}</span>
                </div>
                <p class="muted small">${robot.slug ?? robot.id} · ${robot.type}</p>
                <div>
                  <button type="button" ?disabled=${this.pending} @click=${() => this.#issue(robot)}>Issue credential</button>
                </div>
              </li>
            `,
          )}
        </ul>
        <form class="card form" @submit=${this.#add}>
          <h2>Add a robot</h2>
          <div class="row">
            <label>Short name (a–z, 0–9, -) <input name="slug" pattern="[a-z0-9][a-z0-9\\-]*" required /></label>
            <label>Name <input name="name" required /></label>
            <label>Type <input name="type" required /></label>
          </div>
          <div><button class="primary" ?disabled=${this.pending}>Add robot</button></div>
        </form>
      </div>
    `;
  }

  #credential() {
    if (this.issued === null) return nothing;
    return html`
      <section class="card" aria-label="New credential">
        <h2>Credential for ${this.issued.robot.name}</h2>
        <p>Copy it now into the robot's token file. It is shown this once and cannot be shown again.</p>
        <code class="secret">${this.issued.credential.token}</code>
        <div><button type="button" @click=${() => (this.issued = null)}>I have copied it</button></div>
      </section>
    `;
  }

  #issue(robot: Robot): void {
    void this.attempt(async () => {
      this.issued = { robot, credential: await api.issueCredential(robot.id) };
    });
  }

  #add = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.target as HTMLFormElement;
    void this.attempt(async () => {
      const robot = await api.addRobot({
        slug: field(form, 'slug'),
        name: field(form, 'name'),
        type: field(form, 'type'),
      });
      form.reset();
      this.done = `${robot.name} is added. Issue a credential for it next.`;
      await this.#load();
    });
  };

  async #load(): Promise<void> {
    try {
      this.robots = (await api.adminRobots()).items;
    } catch (thrown) {
      this.problem = inWords(thrown);
    }
  }
}
