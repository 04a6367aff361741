import { html, nothing, type TemplateResult } from 'lit';
import { customElement, state } from 'lit/decorators.js';
import type { Robot } from '../api/types.js';
import { api, clock } from '../context.js';
import { empty, LoadingPage } from '../parts/loading-page.js';
import { field } from '../parts/page.js';
import '../parts/secret.js';
import { table, type Column } from '../parts/table.js';
import { reasonField, tag } from '../parts/tag.js';
import { duration } from '../time/format.js';

/** The fleet: how each robot is, its credentials, and taking it out of service. */
@customElement('curfew-admin-robots')
export class AdminRobotsPage extends LoadingPage {
  protected override readonly refreshMs = 5000;
  @state() private robots: Robot[] = [];

  protected override render() {
    return html`
      <div class="page">
        <div class="heading">
          <h1 tabindex="-1">Fleet</h1>
          <button type="button" class="primary" @click=${this.#add}>Add a robot</button>
        </div>
        ${this.outcome()} ${this.content(() => this.#list())}
      </div>
    `;
  }

  #list(): TemplateResult {
    if (this.robots.length === 0) return empty('There are no robots yet. Add one, then issue a credential for it.');
    const columns: Column<Robot>[] = [
      { head: 'Robot', names: true, cell: (robot) => html`${robot.name}<br /><span class="muted small">${robot.slug ?? robot.id} · ${robot.type}</span>` },
      { head: 'Health', cell: health },
      { head: 'Cameras', cell: ({ cameras }) => cameras.join(', ') },
      { head: 'Actions', cell: (robot) => this.#actions(robot) },
    ];
    return table('Robots', columns, this.robots, ({ id }) => id);
  }

  #actions(robot: Robot): TemplateResult {
    const name = html`<span class="unseen"> ${robot.name}</span>`;
    return html`
      <button type="button" @click=${() => this.#watch(robot)}>Watch…${name}</button>
      <button type="button" @click=${() => this.#issue(robot)}>Credential…${name}</button>
      <button type="button" @click=${() => (robot.maintenance === true ? this.#endMaintenance(robot) : this.#maintain(robot))}>
        ${robot.maintenance === true ? 'End maintenance…' : 'Maintenance…'}${name}
      </button>
      ${robot.emergency_stop === true
        ? html`<button type="button" @click=${() => this.#clear(robot)}>Clear stop…${name}</button>`
        : html`<button type="button" class="danger" @click=${() => this.#stop(robot)}>Emergency stop…${name}</button>`}
    `;
  }

  #watch(robot: Robot): void {
    this.ask({
      title: `Watch ${robot.name}`,
      body: html`<p>You join whatever session it has, or open a watch of your own. It is written into the log.</p>${reasonField('for the log')}`,
      act: 'Watch',
      keep: 'Leave it',
      run: async (form) => {
        const { room_id } = await api.watch(robot.id, field(form, 'reason'));
        location.hash = `#/watch/${room_id}/${robot.id}`;
        return '';
      },
    });
  }

  #issue(robot: Robot): void {
    const good = robot.credentials ?? [];
    this.ask({
      title: `Credentials of ${robot.name}`,
      body: html`
        <p>A new credential is shown once. The robot's agent reads it from its token file; the ones before stay good.</p>
        ${good.length === 0 ? nothing : html`<ul class="form tight">${good.map((id) => this.#credential(robot, id))}</ul>`}
      `,
      act: 'Issue a new one',
      keep: 'Leave it',
      run: async () => {
        const { token } = await api.issueCredential(robot.id);
        queueMicrotask(() => this.#show(robot, token));
        return '';
      },
    });
  }

  #credential(robot: Robot, id: string): TemplateResult {
    return html`
      <li class="row between">
        <code class="small">${id}</code>
        <button type="button" class="danger" @click=${() => this.#revoke(robot, id)}>Revoke…</button>
      </li>
    `;
  }

  #show(robot: Robot, token: string): void {
    this.ask({
      title: `Credential for ${robot.name}`,
      body: html`
        <p>Copy it now into the robot's token file: it cannot be shown again.</p>
        <curfew-secret .value=${token}></curfew-secret>
      `,
      act: 'I have copied it',
      run: () => Promise.resolve(''),
    });
  }

  #revoke(robot: Robot, credential: string): void {
    this.ask({
      title: `Revoke a credential of ${robot.name}?`,
      body: 'A robot that is online with it is cut off at once, and its running session ends.',
      act: 'Revoke it',
      keep: 'Keep it',
      grave: true,
      run: async () => {
        await api.revokeCredential(robot.id, credential);
        return 'The credential is revoked.';
      },
    });
  }

  #maintain(robot: Robot): void {
    const body = html`
      <p>Nobody can book ${robot.name} meanwhile. Bookings in the way are cancelled, and a running session ends at once.</p>
      <label>
        For
        <select name="minutes">
          <option value="60">1 h</option>
          <option value="240">4 h</option>
          <option value="1440">1 day</option>
          <option value="">until I end it</option>
        </select>
      </label>
      ${reasonField('shown to those whose booking it takes')}
    `;
    this.ask({
      title: `Put ${robot.name} into maintenance`,
      body,
      act: 'Begin maintenance',
      keep: 'Leave it',
      grave: true,
      run: async (form) => {
        const minutes = field(form, 'minutes');
        const until = minutes === '' ? {} : { ends_at: new Date(clock.now() + Number(minutes) * 60_000).toISOString() };
        await api.maintain(robot.id, { ...until, reason: field(form, 'reason') });
        return `${robot.name} is in maintenance.`;
      },
    });
  }

  #endMaintenance(robot: Robot): void {
    this.ask({
      title: `End the maintenance of ${robot.name}?`,
      body: 'It can be booked again at once.',
      act: 'End maintenance',
      keep: 'Leave it',
      run: async () => {
        await api.endMaintenance(robot.id);
        return `${robot.name} can be booked again.`;
      },
    });
  }

  #stop(robot: Robot): void {
    this.ask({
      title: `Emergency stop for ${robot.name}?`,
      body: html`<p>The robot is told to stand still, and everybody who watches it is told. It stays so until you clear the stop.</p>${reasonField('shown to those who watch')}`,
      act: 'Stop it now',
      keep: 'Leave it',
      grave: true,
      run: async (form) => {
        await api.stop(robot.id, field(form, 'reason'));
        return `${robot.name} is told to stop.`;
      },
    });
  }

  #clear(robot: Robot): void {
    this.ask({
      title: `Clear the stop of ${robot.name}?`,
      body: html`<p>It may move again.</p>${reasonField('for the log')}`,
      act: 'Clear the stop',
      keep: 'Leave it',
      grave: true,
      run: async (form) => {
        await api.clearStop(robot.id, field(form, 'reason'));
        return `The stop of ${robot.name} is cleared.`;
      },
    });
  }

  #add = () => {
    const body = html`
      <label>Name <input name="name" autocomplete="off" required /></label>
      <label>Short name (a–z, 0–9, -) <input name="slug" pattern="[a-z0-9][a-z0-9\\-]*" autocomplete="off" required /></label>
      <label>Type <input name="type" list="types" autocomplete="off" required /></label>
      <datalist id="types">${[...new Set(this.robots.map(({ type }) => type))].map((type) => html`<option value=${type}></option>`)}</datalist>
      <label>Cameras, by name <input name="cameras" value="main" autocomplete="off" required /></label>
    `;
    this.ask({
      title: 'Add a robot',
      body,
      act: 'Add robot',
      keep: 'Leave it',
      run: async (form) => {
        const cameras = field(form, 'cameras').split(',').map((camera) => camera.trim()).filter((camera) => camera !== '');
        const robot = await api.addRobot({ slug: field(form, 'slug'), name: field(form, 'name'), type: field(form, 'type'), cameras });
        return `${robot.name} is added. Issue a credential for it next.`;
      },
    });
  };

  protected override async load(): Promise<void> {
    this.robots = (await api.adminRobots()).items.filter((robot) => robot.retired !== true);
  }
}

function health(robot: Robot): TemplateResult {
  const seen = robot.last_seen === undefined || robot.last_seen === null ? null : Date.parse(robot.last_seen);
  return html`
    ${tag(robot.online ? 'Online' : 'Offline', robot.online ? 'good' : 'plain')}
    ${robot.publishing === true ? tag('Sending', 'good') : nothing}
    ${robot.maintenance === true ? tag('Maintenance', 'warn') : nothing}
    ${robot.emergency_stop === true ? tag('Emergency stop', 'bad') : nothing}
    ${!robot.online && seen !== null ? html`<span class="muted small">seen ${duration(clock.now() - seen)} ago</span>` : nothing}
  `;
}
