import { LitElement, html, nothing, type PropertyValues } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { ServerClock } from '../time/server-clock.js';
import { Frames } from './frames.js';
import type { ServerMessage } from './messages.js';
import { ViewerSession } from './session.js';
import { INITIAL, isFinal, type ViewerState } from './state.js';
import { StatsReader, type Reading } from './stats.js';
import { viewerStyles } from './styles.js';
import { alarm, details, stage, strip, type ViewModel } from './view.js';

const TICK_MS = 250;
const READ_STATS_MS = 1000;

/** What `curfew-first-frame` carries. */
export interface FirstFrame {
  /** Milliseconds from when the element began to connect to when the frame was shown. */
  afterMs: number;
}

/**
 * Shows a robot's live picture for the length of one session, and why it ended. Stands on its own: give it a room and a
 * token, and it connects, comes back after an outage, and stops at the window's end.
 *
 * Fires (bubbling, composed): `curfew-state` with the `ViewerState` at each change, `curfew-first-frame` with `FirstFrame`,
 * `curfew-ended` with `{cause, reason, endedAt}`. Colours and font follow the page's; `--curfew-accent` is the one to set.
 */
@customElement('curfew-viewer')
export class CurfewViewer extends LitElement {
  static override styles = viewerStyles;

  /** A room id or a booking id. */
  @property() room = '';
  /** Address of the server; the page's own by default. */
  @property() server = window.location.origin;
  /** Gives the token each time one is needed, so that it stands in no attribute and no address. */
  @property({ attribute: false }) tokenProvider: () => string | null = () => null;
  /** Gives ICE servers and policy. */
  @property({ attribute: false }) rtcConfig: () => Promise<RTCConfiguration> = () => Promise.resolve({});
  /** Gives the names of the robot's cameras, in its order; one without a name unless this says more. Asked again after a failure. */
  @property({ attribute: false }) cameras: () => Promise<readonly string[]> = () => Promise.resolve([]);
  /** When the session begins, Unix milliseconds, for those who wait in front of it; null where that is not known. */
  @property({ attribute: false }) startsAt: number | null = null;
  /** Shared with the page, if it has one. */
  @property({ attribute: false }) clock = new ServerClock();

  @state() private session: ViewerState = INITIAL;
  @state() private flowing = false;
  @state() private latencyMs: number | null = null;
  @state() private names: readonly string[] = [''];
  /** The camera that is shown large; null for all beside each other. */
  @state() private main: number | null = 0;
  @state() private sound: 'none' | 'muted' | 'on' = 'none';
  @state() private reading: Reading | null = null;
  @state() private detailed = false;

  #session: ViewerSession | null = null;
  #frames: Frames | null = null;
  #streams: (MediaStream | null)[] = [];
  #soundStream: MediaStream | null = null;
  #statistics = new StatsReader();
  #reader: ReturnType<typeof setInterval> | undefined;
  #tick: ReturnType<typeof setInterval> | undefined;
  #openedAt = 0;
  #changedAt: number | null = null;

  /** The element that shows the picture; of several cameras, the one that is shown large. */
  get video(): HTMLVideoElement {
    return this.#videos()[this.main ?? 0] ?? this.#videos()[0]!;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    // Removed and put back, as when a page moves it: begin again. The first time, `updated` does.
    if (this.hasUpdated) this.#open();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#close();
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (changed.has('room') || changed.has('server')) this.#open();
    else if (changed.has('names' as keyof CurfewViewer) || changed.has('main' as keyof CurfewViewer)) this.#show();
  }

  protected override render() {
    const model: ViewModel = {
      state: this.session,
      offline: !navigator.onLine,
      flowing: this.flowing,
      latencyMs: this.latencyMs,
      now: this.clock.now(),
      startsAt: this.startsAt,
      changedAt: this.#changedAt,
      names: this.names,
      main: this.main,
      choose: (camera) => (this.main = camera),
      sound: this.sound,
      toggleSound: () => this.#toggleSound(),
      reading: this.reading,
      detailed: this.detailed,
      toggleDetails: (open) => this.#toggleDetails(open),
      toggleFullscreen: () => void this.#toggleFullscreen(),
    };
    return html`
      <section class="viewer" aria-label="Live picture">
        ${stage(model)}
        ${isFinal(this.session) ? nothing : html`${alarm(model)} ${strip(model)} ${details(model)}`}
      </section>
    `;
  }

  #open(): void {
    this.#close();
    if (this.room === '') return;
    this.#openedAt = performance.now();
    this.session = INITIAL;
    this.#watchFrames();
    const session: ViewerSession = new ViewerSession(
      {
        server: this.server,
        room: this.room,
        token: this.tokenProvider,
        clock: this.clock,
        rtcConfig: this.rtcConfig,
        cameras: async () => {
          const names = await this.cameras();
          if (this.#session === session && names.length > 0) this.names = names;
          return Math.max(1, names.length);
        },
      },
      {
        state: (next, cause) => this.#onState(next, cause),
        camera: (index, stream) => this.#onCamera(index, stream),
        sound: (stream) => this.#onSound(stream),
        stop: () => this.#stopPicture(),
      },
    );
    this.#session = session;
    this.#tick = setInterval(() => this.requestUpdate(), TICK_MS);
  }

  #close(): void {
    clearInterval(this.#tick);
    this.#toggleDetails(false);
    this.#session?.close();
    this.#session = null;
    this.#frames?.stop();
    this.#frames = null;
    if (this.hasUpdated) this.#stopPicture();
  }

  /** Watches what the large picture really shows. */
  #watchFrames(): void {
    this.#frames?.stop();
    this.#frames = new Frames(this.video, {
      first: (shownAt) => this.#tell('curfew-first-frame', { afterMs: shownAt - this.#openedAt }),
      stamp: (stampedAt, shownAt) => {
        this.latencyMs = this.clock.isSet ? this.clock.at(shownAt) - stampedAt : null;
      },
      flowing: (flowing) => {
        this.flowing = flowing;
        if (!flowing) this.latencyMs = null;
      },
    });
  }

  #onState(next: ViewerState, cause: ServerMessage | null): void {
    this.session = next;
    if (cause?.event === 'session-changed') this.#changedAt = this.clock.now();
    if (isFinal(next)) clearInterval(this.#tick);
    this.#tell('curfew-state', { state: next, message: cause?.event ?? null });
    if (next.phase === 'ended') this.#tell('curfew-ended', next.end);
  }

  #onCamera(index: number, stream: MediaStream): void {
    if (index === (this.main ?? 0)) this.#frames?.restart();
    this.#streams[index] = stream;
    this.#play();
  }

  /** Gives each picture to its element. Muted, so that browsers let it begin by itself. */
  #play(): void {
    for (const [index, video] of this.#videos().entries()) {
      const stream = this.#streams[index] ?? null;
      if (video.srcObject === stream) continue;
      video.srcObject = stream;
      if (stream !== null) void video.play().catch(() => undefined);
    }
  }

  /** After another camera was chosen, or more of them became known. */
  #show(): void {
    if (this.#session === null) return;
    this.#play();
    this.flowing = false;
    this.latencyMs = null;
    this.#watchFrames();
  }

  #onSound(stream: MediaStream): void {
    this.#soundStream = stream;
    if (this.sound === 'none') this.sound = 'muted';
    else if (this.sound === 'on') this.#listen();
  }

  #listen(): void {
    const audio = this.renderRoot.querySelector('audio');
    if (audio === null) return;
    audio.srcObject = this.#soundStream;
    void audio.play().catch(() => (this.sound = 'muted'));
  }

  #toggleSound(): void {
    this.sound = this.sound === 'on' ? 'muted' : 'on';
    if (this.sound === 'on') this.#listen();
    else this.renderRoot.querySelector('audio')?.pause();
  }

  /** Statistics cost the browser work: they are read while somebody looks at them. */
  #toggleDetails(open: boolean): void {
    clearInterval(this.#reader);
    this.detailed = open;
    this.reading = null;
    if (!open) return;
    this.#statistics = new StatsReader();
    void this.#readStatistics();
    this.#reader = setInterval(() => void this.#readStatistics(), READ_STATS_MS);
  }

  async #readStatistics(): Promise<void> {
    const found = await this.#session?.stats();
    if (this.detailed) this.reading = found ? this.#statistics.read(found.report, found.cameras) : null;
  }

  #stopPicture(): void {
    this.#streams = [];
    this.#soundStream = null;
    for (const video of this.#videos()) video.srcObject = null;
    const audio = this.renderRoot.querySelector('audio');
    if (audio !== null) audio.srcObject = null;
    this.sound = 'none';
    this.flowing = false;
    this.latencyMs = null;
  }

  #videos(): HTMLVideoElement[] {
    return [...this.renderRoot.querySelectorAll('video')];
  }

  async #toggleFullscreen(): Promise<void> {
    if (document.fullscreenElement !== null) await document.exitFullscreen();
    else await this.requestFullscreen().catch(() => undefined);
  }

  #tell(name: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'curfew-viewer': CurfewViewer;
  }
}
