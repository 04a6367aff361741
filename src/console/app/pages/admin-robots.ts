import { html, nothing, type TemplateResult } from 'lit';
import { customElement, state } from 'lit/decorators.js';
import type { Robot } from '../api/types.js';
import { api, clock } from '../context.js';
import type { Question } from '../parts/dialog.js';
import { empty, LoadingPage } from '../parts/loading-page.js';
import { LongList } from '../parts/long-list.js';
import { field } from '../parts/page.js';
import { table, type Column } from '../parts/table.js';
import { reasonField, tag } from '../parts/tag.js';
import { clock as timeOfDay, day, duration } from '../time/format.js';
import { credentials } from './fleet/credentials.js';
import { adding, editing } from './fleet/registry.js';

/** The fleet: how each robot is, its credentials, and taking it out of service. */
@customElement('curfew-admin-robots')
export class AdminRobotsPage extends LoadingPage {
  protected override readonly refreshMs = 5000;
  @state() private robots: Robot[] = [];
  @state() private retired: Robot[] = [];
  readonly #found = new LongList(this);

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
    const columns: Column<Robot>[] = [
      { head: 'Robot', names: true, cell: named },
      { head: 'Health', text: 'tags', cell: health },
      { head: 'Credentials', cell: ({ credentials: good = [] }) => (good.length === 0 ? tag('none yet', 'warn') : String(good.length)) },
      { head: 'Actions', cell: (robot) => this.#actions(robot) },
    ];
    const found = this.#found.matching(this.robots, ({ name, slug, type }) => `${name} ${slug} ${type}`);
    return html`
      ${this.#found.field('Find a robot', this.robots, found)}
      ${this.robots.length === 0
        ? empty('There are no robots yet. Add one, then issue a credential for it.')
        : found.length === 0
          ? this.#found.nothingFound()
          : table('Robots', columns, this.#found.first(found), ({ id }) => id)}
      ${this.#found.more(found)}
      ${this.retired.length === 0
        ? nothing
        : html`<p class="muted small">Retired: ${this.retired.map(({ name }) => name).join(', ')}</p>`}
    `;
  }

  #actions(robot: Robot): TemplateResult {
    const name = html`<span class="unseen"> ${robot.name}</span>`;
    const ask = (question: Question) => this.ask(question);
    return html`
      <button type="button" @click=${() => this.#watch(robot)}>Watch…${name}</button>
      <button type="button" @click=${() => ask(editing(robot, this.#types(), ask))}>Edit…${name}</button>
      <button type="button" @click=${() => ask(credentials(robot, ask))}>Credentials…${name}</button>
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

  #maintain(robot: Robot): void {
    const body = html`
      <p>Nobody can book ${robot.name} meanwhile. Bookings in the way are cancelled, and a running session ends when it begins.</p>
      <label>
        For
        <select name="minutes">
          <option value="60">1 h</option>
          <option value="240">4 h</option>
          <option value="1440">1 day</option>
          <option value="">until I end it</option>
        </select>
      </label>
      <label>From <input name="from" type="datetime-local" /><small>Empty: from now. By your own clock.</small></label>
      ${reasonField('shown to those whose booking it takes')}
    `;
    this.ask({
      title: `Put ${robot.name} into maintenance`,
      body,
      act: 'Begin maintenance',
      keep: 'Leave it',
      grave: true,
      run: async (form) => {
        const [minutes, from] = [field(form, 'minutes'), field(form, 'from')];
        const startsAt = from === '' ? clock.now() : new Date(from).getTime();
        const start = from === '' ? {} : { starts_at: new Date(startsAt).toISOString() };
        const until = minutes === '' ? {} : { ends_at: new Date(startsAt + Number(minutes) * 60_000).toISOString() };
        await api.maintain(robot.id, { ...start, ...until, reason: field(form, 'reason') });
        return from === '' ? `${robot.name} is in maintenance.` : `${robot.name} goes into maintenance ${moment(startsAt)}.`;
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

  #add = () => this.ask(adding(this.#types()));

  #types(): string[] {
    return [...new Set(this.robots.map(({ type }) => type))];
  }

  protected override async load(): Promise<void> {
    const items = await api.adminRobots();
    this.robots = items.filter((robot) => robot.retired !== true);
    this.retired = items.filter((robot) => robot.retired === true);
  }
}

function named({ id, slug, name, type, cameras }: Robot): TemplateResult {
  const seen = cameras.length === 0 ? 'No camera' : `${cameras.length === 1 ? 'Camera' : 'Cameras'} ${cameras.join(', ')}`;
  return html`${name}<br /><span class="muted small">${slug ?? id} · ${type}<br />${seen}</span>`;
}

function health(robot: Robot): TemplateResult {
  return html`
    ${tag(robot.online ? 'Online' : 'Offline', robot.online ? 'good' : 'plain')}
    <span class="muted small">${seen(robot)}</span>
    ${robot.publishing === true ? tag('Sending', 'good') : nothing}
    ${robot.maintenance === true ? tag('Maintenance', 'warn') : nothing}
    ${robot.next_maintenance ? html`<span class="muted small">${maintenance(robot.next_maintenance)}</span>` : nothing}
    ${robot.emergency_stop === true ? tag('Emergency stop', 'bad') : nothing}
    ${robot.stop ? stopped(robot.stop) : nothing}
  `;
}

/** Since when it is online, or how long ago it was. */
function seen({ online, last_seen }: Robot): string {
  const at = last_seen === undefined || last_seen === null ? null : Date.parse(last_seen);
  if (at === null) return online ? '' : 'never connected';
  return online ? `since ${moment(at)}` : `last seen ${duration(clock.now() - at)} ago`;
}

/** Whether the robot itself said that it stands still: until then somebody has to look. */
function stopped({ engaged_at, acknowledged_at, reason }: NonNullable<Robot['stop']>): TemplateResult {
  const answer = acknowledged_at === null ? tag('not answered yet', 'warn') : tag('stands still', 'good');
  const since = acknowledged_at ?? engaged_at;
  return html`${answer}<span class="muted small">since ${moment(Date.parse(since))}${reason ? html`: ${reason}` : nothing}</span>`;
}

function maintenance({ starts_at, ends_at }: NonNullable<Robot['next_maintenance']>): string {
  const until = ends_at === null ? 'until it is ended' : `until ${moment(Date.parse(ends_at))}`;
  const startsAt = Date.parse(starts_at);
  return startsAt > clock.now() ? `Maintenance from ${moment(startsAt)} ${until}` : until;
}

function moment(at: number): string {
  const on = day(at, clock.now());
  return on === 'today' ? timeOfDay(at) : `${on} ${timeOfDay(at)}`;
}
