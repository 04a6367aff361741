import { readMessage, type ServerMessage } from './messages.js';

export interface PeerEvents {
  /** A local candidate to trickle; null after the last. */
  candidate: (candidate: RTCIceCandidateInit | null) => void;
  track: (stream: MediaStream) => void;
  /** A `session-*` message of the data channel `session`. */
  message: (message: ServerMessage) => void;
  connected: () => void;
  /** The media path is gone and will not come back on this connection. Called once. */
  lost: () => void;
}

/** How long a path may be silent before a new one is asked for. */
const PATIENCE_MS = 2000;

/** One receiving peer connection: a camera's video, and the data channels of the session. */
export class ViewerPeer {
  readonly #pc: RTCPeerConnection;
  /** The server's candidates that came before its answer was in place. */
  #early: RTCIceCandidateInit[] | null = [];
  #patience: ReturnType<typeof setTimeout> | undefined;
  #over = false;

  constructor(
    config: RTCConfiguration,
    private readonly on: PeerEvents,
  ) {
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle', ...config });
    this.#pc = pc;
    const { receiver } = pc.addTransceiver('video', { direction: 'recvonly' });
    hurry(receiver);
    // The answer cannot add an m-line: this one is what the server's `session` channel comes through.
    pc.createDataChannel('control');
    pc.ontrack = (event) => this.on.track(event.streams[0] ?? new MediaStream([event.track]));
    pc.onicecandidate = (event) => this.on.candidate(event.candidate?.toJSON() ?? null);
    pc.ondatachannel = (event) => this.#onChannel(event.channel);
    pc.onconnectionstatechange = () => this.#onState(receiver);
  }

  /** Starts gathering and gives the offer at once, without waiting for candidates. */
  async offer(): Promise<string> {
    await this.#pc.setLocalDescription();
    return this.#pc.localDescription?.sdp ?? '';
  }

  async answer(sdp: string): Promise<void> {
    if (this.#over || this.#pc.signalingState !== 'have-local-offer') return;
    await this.#pc.setRemoteDescription({ type: 'answer', sdp });
    const early = this.#early ?? [];
    this.#early = null;
    for (const candidate of early) await this.addCandidate(candidate);
  }

  async addCandidate(candidate: RTCIceCandidateInit | null): Promise<void> {
    if (this.#over || candidate === null) return;
    if (this.#early !== null) {
      this.#early.push(candidate);
      return;
    }
    // One candidate that cannot be used is no reason to give up the others.
    await this.#pc.addIceCandidate(candidate).catch(() => undefined);
  }

  close(): void {
    this.#over = true;
    clearTimeout(this.#patience);
    this.#pc.close();
  }

  #onChannel(channel: RTCDataChannel): void {
    if (channel.label !== 'session') return;
    channel.onmessage = (event) => {
      const message = this.#over ? null : readMessage(event.data);
      if (message?.event.startsWith('session-')) this.on.message(message);
    };
    // The channel's closing is the media path's own word that it is over; the connection's state follows seconds later.
    channel.onclose = () => this.#lose();
  }

  #onState(receiver: RTCRtpReceiver): void {
    clearTimeout(this.#patience);
    switch (this.#pc.connectionState) {
      case 'connected':
        hurry(receiver);
        this.on.connected();
        break;
      case 'disconnected':
        this.#patience = setTimeout(() => this.#lose(), PATIENCE_MS);
        break;
      case 'failed':
      case 'closed':
        this.#lose();
        break;
      default:
    }
  }

  #lose(): void {
    if (this.#over) return;
    this.close();
    this.on.lost();
  }
}

/** Live pictures over smooth ones: the browser is asked to hold back as little as it can. */
function hurry(receiver: RTCRtpReceiver): void {
  const hints = receiver as RTCRtpReceiver & { playoutDelayHint?: number; jitterBufferTarget?: number | null };
  if ('jitterBufferTarget' in hints) hints.jitterBufferTarget = 0;
  if ('playoutDelayHint' in hints) hints.playoutDelayHint = 0;
}
