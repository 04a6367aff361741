import type { ServerClock } from '../time/server-clock.js';
import { Asking } from './asking.js';
import type { ServerMessage } from './messages.js';
import { ViewerPeer } from './peer.js';
import { Signaling, signalingUrl } from './signaling.js';
import {
  INITIAL,
  isFinal,
  onDisconnected,
  onLocalZero,
  onMessage,
  onSilence,
  type ViewerState,
} from './state.js';

export interface ViewerSessionOptions {
  /** Address of the server, http or https. */
  server: string;
  /** A room or booking id. */
  room: string;
  token: () => string | null;
  clock: ServerClock;
  /** ICE servers and policy; where they take too long, an offer is made without them. */
  rtcConfig: () => Promise<RTCConfiguration>;
  /** How many cameras there are to see; where that takes too long, an offer asks for one. */
  cameras: () => Promise<number>;
}

export interface ViewerSessionEvents {
  state: (state: ViewerState, cause: ServerMessage | null) => void;
  /** A camera's picture, by its place in the robot's order. */
  camera: (index: number, stream: MediaStream) => void;
  sound: (stream: MediaStream) => void;
  /** Nothing may be shown any more. */
  stop: () => void;
}

const CONFIG_PATIENCE_MS = 300;
const CAMERAS_PATIENCE_MS = 1000;
const RETRY_MS = 500;
const ANSWER_PATIENCE_MS = 5000;
/** How long after our own zero the server's word on the cause is waited for. */
const CLOSING_PATIENCE_MS = 2000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** One viewer's way through one session: into the room, a picture, back after an outage, out at the end. */
export class ViewerSession {
  #state: ViewerState = INITIAL;
  readonly #signaling: Signaling;
  readonly #config: Asking<RTCConfiguration>;
  readonly #cameras: Asking<number>;
  #peer: ViewerPeer | null = null;
  /** Whose offers were sent over this line and are to be answered, in their order. */
  #asked: ViewerPeer[] = [];
  #joinSentAt = 0;
  #zero: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  /** Offers in a row that brought no connection. */
  #unanswered = 0;

  constructor(
    private readonly options: ViewerSessionOptions,
    private readonly on: ViewerSessionEvents,
  ) {
    this.#config = new Asking(options.rtcConfig, CONFIG_PATIENCE_MS);
    this.#cameras = new Asking(options.cameras, CAMERAS_PATIENCE_MS);
    globalThis.addEventListener?.('online', this.#onNetwork);
    networkInformation()?.addEventListener('change', this.#onNetwork);
    this.#signaling = new Signaling(
      { url: signalingUrl(options.server), token: options.token },
      {
        up: () => this.#enter(),
        down: () => this.#moveTo(onDisconnected(this.#state), null),
        message: (message) => this.#receive(message),
      },
    );
  }

  /** Leaves: the room, the line and the media. */
  close(): void {
    clearTimeout(this.#zero);
    clearTimeout(this.#retry);
    globalThis.removeEventListener?.('online', this.#onNetwork);
    networkInformation()?.removeEventListener('change', this.#onNetwork);
    this.#signaling.send({ event: 'leave-room', data: {} });
    this.#signaling.close();
    this.#dropPeer();
  }

  /** Statistics of what is being received, with the cameras' m-line ids; null while there is nothing. */
  async stats(): Promise<{ report: RTCStatsReport; cameras: (string | null)[] } | null> {
    const peer = this.#peer;
    const report = (await peer?.stats()) ?? null;
    return peer === null || report === null ? null : { report, cameras: peer.cameraIds() };
  }

  /** The device is on another network: what went over the old one is looked for on the new one at once. */
  #onNetwork = () => {
    if (this.#peer !== null) void this.#restart(this.#peer);
  };

  #enter(): void {
    // Both at once: who this is stands in the token already.
    this.#signaling.send({ event: 'register', data: { userType: 'viewer' } });
    this.#join();
  }

  #join(): void {
    this.#joinSentAt = this.options.clock.mark();
    this.#signaling.send({ event: 'join-room', data: { roomId: this.options.room } });
  }

  #receive(message: ServerMessage): void {
    const before = this.#state;
    switch (message.event) {
      case 'joined-room':
        this.#signaling.settled();
        this.#asked = [];
        this.options.clock.read(message.data.serverTime, this.#joinSentAt);
        break;
      case 'session-started':
        if (!this.options.clock.isSet) this.options.clock.read(message.data.serverTime, this.options.clock.mark());
        break;
      case 'answer':
        this.#onAnswer(message.data.answer.sdp);
        break;
      case 'ice-candidate':
        void this.#peer?.addCandidate(message.data.candidate);
        break;
      case 'error':
        // It does not say whether it is an offer's.
        this.#asked = [];
        this.#tryAgain();
        break;
      default:
    }
    this.#moveTo(onMessage(before, message), message);
    const enters = message.event === 'joined-room' || message.event === 'session-started';
    const resumes = before.phase === 'closing' && message.event === 'session-changed';
    if (this.#state.phase === 'live' && (enters || resumes)) void this.#negotiate();
  }

  #moveTo(state: ViewerState, cause: ServerMessage | null): void {
    const before = this.#state;
    this.#state = state;
    if (state.endsAt !== before.endsAt || cause?.event === 'joined-room') this.#armZero();
    const shows = state.phase === 'live' || state.phase === 'reconnecting';
    const showed = before.phase === 'live' || before.phase === 'reconnecting';
    if (showed && !shows) {
      this.#dropPeer();
      this.on.stop();
    }
    if (isFinal(state) && !isFinal(before)) this.close();
    if (state !== before) this.on.state(state, cause);
  }

  /** Offers anew on a fresh connection; the one before, if any, has nothing more to give. */
  async #negotiate(): Promise<void> {
    this.#dropPeer();
    const [config, cameras] = await Promise.all([this.#config.get(), this.#cameras.get()]);
    if (this.#state.phase !== 'live' || this.#peer !== null) return;
    const early: (RTCIceCandidateInit | null)[] = [];
    let offered = false;
    const peer: ViewerPeer = new ViewerPeer(config ?? {}, cameras ?? 1, {
      candidate: (candidate) => {
        if (offered) this.#trickle(candidate);
        else early.push(candidate);
      },
      camera: (index, stream) => this.on.camera(index, stream),
      sound: (stream) => this.on.sound(stream),
      message: (message) => this.#receive(message),
      connected: () => this.#onConnected(),
      shaken: () => void this.#restart(peer),
      lost: () => this.#peer === peer && this.#tryAgain(),
    });
    this.#peer = peer;
    const sdp = await peer.offer();
    if (this.#peer !== peer) return;
    this.#offer(peer, sdp);
    offered = true;
    early.forEach((candidate) => this.#trickle(candidate));
    this.#tryAgain(ANSWER_PATIENCE_MS);
  }

  /** Looks for a new path for the same connection; the picture goes on where it stopped. Whatever comes of it, `lost` is next. */
  async #restart(peer: ViewerPeer): Promise<void> {
    const sdp = this.#peer === peer && this.#state.phase === 'live' ? await peer.restart().catch(() => null) : null;
    if (sdp !== null && this.#peer === peer) this.#offer(peer, sdp);
  }

  #onConnected(): void {
    clearTimeout(this.#retry);
    this.#unanswered = 0;
  }

  /** An answer that comes late, to a connection that was given up meanwhile, is nothing for the next one. */
  #onAnswer(sdp: string): void {
    const asked = this.#asked.shift() ?? this.#peer;
    if (asked !== null && asked === this.#peer) void asked.answer(sdp).catch(() => this.#tryAgain());
  }

  #offer(peer: ViewerPeer, sdp: string): void {
    this.#asked.push(peer);
    this.#signaling.send({ event: 'offer', data: { offer: { type: 'offer', sdp } } });
  }

  #trickle(candidate: RTCIceCandidateInit | null): void {
    this.#signaling.send({ event: 'ice-candidate', data: { candidate } });
  }

  #tryAgain(inMs = RETRY_MS): void {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => {
      // A line that stays silent may have lost its network without being told.
      if (inMs === ANSWER_PATIENCE_MS && ++this.#unanswered > 1) this.#signaling.renew();
      else if (this.#state.phase === 'live') void this.#negotiate();
      else this.#join();
    }, inMs);
  }

  #dropPeer(): void {
    clearTimeout(this.#retry);
    this.#peer?.close();
    this.#peer = null;
  }

  #armZero(): void {
    clearTimeout(this.#zero);
    const { endsAt } = this.#state;
    if (endsAt === null || isFinal(this.#state)) return;
    const left = Math.max(0, endsAt - this.options.clock.now());
    this.#zero = setTimeout(() => {
      if (endsAt > this.options.clock.now()) this.#armZero();
      else this.#onZero();
    }, Math.min(left, LONGEST_TIMER_MS));
  }

  #onZero(): void {
    this.#moveTo(onLocalZero(this.#state), null);
    this.#zero = setTimeout(() => this.#moveTo(onSilence(this.#state), null), CLOSING_PATIENCE_MS);
  }
}

/** Chromium's word on the network in use, where there is one. */
function networkInformation(): EventTarget | undefined {
  return (globalThis.navigator as (Navigator & { connection?: EventTarget }) | undefined)?.connection;
}
