import { LitElement, html, type PropertyValues } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { ServerClock } from '../time/server-clock.js';
import { Frames } from './frames.js';
import type { ServerMessage } from './messages.js';
import { ViewerSession } from './session.js';
import { INITIAL, isFinal, type ViewerState } from './state.js';
import { viewerStyles } from './styles.js';
import { stage, strip, type ViewModel } from './view.js';

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
  /** Shared with the page, if it has one. */
  @property({ attribute: false }) clock = new ServerClock();

  @state() private session: ViewerState = INITIAL;
  @state() private flowing = false;
  @state() private latencyMs: number | null = null;
  @query('video', true) private picture!: HTMLVideoElement;

  #session: ViewerSession | null = null;
  #frames: Frames | null = null;
  #tick: ReturnType<typeof setInterval> | undefined;
  #openedAt = 0;
  #changedAt: number | null = null;

  /** The element that shows the picture. */
  get video(): HTMLVideoElement {
    return this.picture;
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
  }

  protected override render() {
    const model: ViewModel = {
      state: this.session,
      flowing: this.flowing,
      latencyMs: this.latencyMs,
      now: this.clock.now(),
      changedAt: this.#changedAt,
      toggleFullscreen: () => void this.#toggleFullscreen(),
    };
    return html`
      <section class="viewer" aria-label="Live picture">
        ${stage(model)}
        ${isFinal(this.session) ? null : strip(model)}
      </section>
    `;
  }

  #open(): void {
    this.#close();
    if (this.room === '') return;
    this.#openedAt = performance.now();
    this.session = INITIAL;
    this.#frames = new Frames(this.picture, {
      first: (shownAt) => this.#tell('curfew-first-frame', { afterMs: shownAt - this.#openedAt }),
      stamp: (stampedAt, shownAt) => {
        this.latencyMs = this.clock.isSet ? this.clock.at(shownAt) - stampedAt : null;
      },
      flowing: (flowing) => {
        this.flowing = flowing;
        if (!flowing) this.latencyMs = null;
      },
    });
    this.#session = new ViewerSession(
      {
        server: this.server,
        room: this.room,
        token: this.tokenProvider,
        clock: this.clock,
        rtcConfig: this.rtcConfig,
      },
      {
        state: (next, cause) => this.#onState(next, cause),
        stream: (stream) => this.#play(stream),
        stop: () => this.#stopPicture(),
      },
    );
    this.#tick = setInterval(() => this.requestUpdate(), 250);
  }

  #close(): void {
    clearInterval(this.#tick);
    this.#session?.close();
    this.#session = null;
    this.#frames?.stop();
    this.#frames = null;
    if (this.hasUpdated) this.#stopPicture();
  }

  #onState(next: ViewerState, cause: ServerMessage | null): void {
    this.session = next;
    if (cause?.event === 'session-changed') this.#changedAt = this.clock.now();
    if (isFinal(next)) clearInterval(this.#tick);
    this.#tell('curfew-state', { state: next, message: cause?.event ?? null });
    if (next.phase === 'ended') this.#tell('curfew-ended', next.end);
  }

  #play(stream: MediaStream): void {
    this.#frames?.restart();
    this.picture.srcObject = stream;
    // Muted, so that browsers let it begin by itself; one that still refuses shows its own way to start.
    void this.picture.play().catch(() => undefined);
  }

  #stopPicture(): void {
    this.picture.srcObject = null;
    this.flowing = false;
    this.latencyMs = null;
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
