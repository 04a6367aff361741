import { html, nothing, type TemplateResult } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { inWords } from '../api/problem.js';
import type { Booking, Robot } from '../api/types.js';
import { api, clock, readClock, session } from '../context.js';
import { Page } from '../parts/page.js';
import { zoneNote } from '../parts/zone-note.js';
import { windowText } from '../time/format.js';
import type { ViewerState } from '../viewer/state.js';
import { causeInWords } from '../words.js';

const CLOCK_EVERY_MS = 30_000;

/** The page around one `<curfew-viewer>`: which robot, which window, and where to go afterwards. */
@customElement('curfew-watch')
export class WatchPage extends Page {
  @property({ attribute: false }) booking = '';
  /** The robot of a room that is no booking's: an administrator's look into it. */
  @property({ attribute: false }) robotId: string | null = null;
  @state() private details: Booking | null = null;
  @state() private robot: Robot | null = null;
  @state() private over = false;
  @state() private refused = false;
  #timer: ReturnType<typeof setInterval> | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#timer = setInterval(() => void readClock(), CLOCK_EVERY_MS);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.#timer);
  }

  protected override render() {
    const { details } = this;
    const now = clock.now();
    return html`
      <div class="page watch">
        <div class="heading">
          <h1 tabindex="-1">${this.robot?.name ?? details?.robot_type ?? 'Live picture'}</h1>
          <p class="muted">
            ${this.robotId === null ? nothing : "An administrator's watch"}
            ${details === null ? nothing : windowText(Date.parse(details.starts_at), Date.parse(details.ends_at), now)}
          </p>
        </div>
        <curfew-viewer
          .room=${this.booking}
          .tokenProvider=${session.token}
          .clock=${clock}
          .startsAt=${details === null ? null : Date.parse(details.starts_at)}
          .rtcConfig=${rtcConfig}
          .cameras=${this.#cameras}
          @curfew-state=${this.#onState}
        ></curfew-viewer>
        ${this.refused ? this.#because() : this.outcome()}
        <div class="row">${this.robotId === null ? this.#ways() : html`<a class="button" href="#/admin/robots">${this.over ? 'To the fleet' : 'Leave'}</a>`}</div>
        ${zoneNote()}
      </div>
    `;
  }

  /** Where to go from one's own session, and after it. */
  #ways(): TemplateResult {
    return html`
      <a class="button" href="#/bookings">${this.over ? 'My bookings' : 'Leave'}</a>
      ${this.over ? html`<a class="button primary" href="#/robots">${this.refused ? 'To the robots' : 'Book again'}</a>` : nothing}
    `;
  }

  #onState = (event: CustomEvent<{ state: ViewerState; message: string | null }>) => {
    const { state: viewer, message } = event.detail;
    this.refused = viewer.phase === 'refused';
    this.over = viewer.phase === 'ended' || this.refused;
    // What is said about the window has changed with it, or could not be had while the server was away.
    const outdated = message === 'session-changed' || (message === 'joined-room' && this.problem !== null);
    if (this.refused || outdated) void this.#describe().catch(() => undefined);
    if (viewer.phase === 'refused' && viewer.refusal?.code === 'bad_token') session.end('expired');
  };

  /** Names and times, and with them how many cameras there are to ask for. */
  #cameras = async (): Promise<readonly string[]> => {
    await this.#describe();
    return this.robot?.cameras ?? [];
  };

  /** What became of a booking that cannot be watched, as far as this person may know. */
  #because() {
    const cause = this.details?.cause;
    return cause ? html`<p class="notice" role="status">${causeInWords(cause)}</p>` : nothing;
  }

  async #describe(): Promise<void> {
    try {
      const [details, robots] = await Promise.all([this.robotId === null ? api.booking(this.booking) : null, api.robots(), readClock()]);
      this.details = details;
      this.robot = robots.registry.find(({ id }) => id === (details?.robot_id ?? this.robotId)) ?? null;
      this.problem = null;
    } catch (thrown) {
      this.problem = inWords(thrown);
      throw thrown;
    }
  }
}

async function rtcConfig(): Promise<RTCConfiguration> {
  const config = await api.webrtcConfig();
  return {
    iceServers: config.ice_servers,
    ...(config.ice_transport_policy === undefined ? {} : { iceTransportPolicy: config.ice_transport_policy }),
    ...(config.bundle_policy === undefined ? {} : { bundlePolicy: config.bundle_policy }),
  };
}
