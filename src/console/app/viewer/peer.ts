import { readMessage, type ServerMessage } from './messages.js';

export interface PeerEvents {
  /** A local candidate to trickle; null after the last. */
  candidate: (candidate: RTCIceCandidateInit | null) => void;
  /** A camera's picture, by its place in the robot's order. */
  camera: (index: number, stream: MediaStream) => void;
  /** The robot's sound began to come. */
  sound: (stream: MediaStream) => void;
  /** A `session-*` message of the data channel `session`. */
  message: (message: ServerMessage) => void;
  connected: () => void;
  /** The path is silent; a new one on the same connection may bring it back. */
  shaken: () => void;
  /** The media path is gone and will not come back on this connection. Called once. */
  lost: () => void;
}

/** How long a path may be silent before the connection is given up. */
const PATIENCE_MS = 2500;

/** One receiving peer connection: the cameras' video, the sound, and the data channels of the session. */
export class ViewerPeer {
  readonly #pc: RTCPeerConnection;
  readonly #cameras: RTCRtpTransceiver[];
  /** The server's candidates that came before its answer was in place. */
  #early: RTCIceCandidateInit[] | null = [];
  #patience: ReturnType<typeof setTimeout> | undefined;
  #over = false;

  /** @param cameras how many pictures are asked for */
  constructor(
    config: RTCConfiguration,
    cameras: number,
    private readonly on: PeerEvents,
  ) {
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle', ...config });
    this.#pc = pc;
    this.#cameras = Array.from({ length: Math.max(1, cameras) }, () => pc.addTransceiver('video', { direction: 'recvonly' }));
    pc.addTransceiver('audio', { direction: 'recvonly' });
    this.#hurry();
    // The answer cannot add an m-line: this one is what the server's `session` channel comes through.
    pc.createDataChannel('control');
    pc.ontrack = (event) => this.#onTrack(event);
    pc.onicecandidate = (event) => this.on.candidate(event.candidate?.toJSON() ?? null);
    pc.ondatachannel = (event) => this.#onChannel(event.channel);
    pc.onconnectionstatechange = () => this.#onState();
  }

  /** Starts gathering and gives the offer at once, without waiting for candidates. */
  async offer(): Promise<string> {
    await this.#pc.setLocalDescription();
    return this.#pc.localDescription?.sdp ?? '';
  }

  /** An offer of new paths for the same connection (RFC 8445, section 2.4); null while one is on its way. */
  async restart(): Promise<string | null> {
    if (this.#over || this.#pc.signalingState !== 'stable') return null;
    this.#pc.restartIce();
    return this.offer();
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

  async stats(): Promise<RTCStatsReport | null> {
    return this.#over ? null : this.#pc.getStats().catch(() => null);
  }

  /** The m-line ids of the cameras, by which statistics name them. */
  cameraIds(): (string | null)[] {
    return this.#cameras.map(({ mid }) => mid);
  }

  close(): void {
    this.#over = true;
    clearTimeout(this.#patience);
    this.#pc.close();
  }

  #onTrack({ track, transceiver }: RTCTrackEvent): void {
    // Each in a stream of its own, whatever the robot grouped: they are shown in elements of their own.
    const stream = new MediaStream([track]);
    const index = this.#cameras.indexOf(transceiver);
    if (index >= 0) this.on.camera(index, stream);
    else if (track.kind === 'audio') track.onunmute = () => this.#over || this.on.sound(stream);
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

  #onState(): void {
    clearTimeout(this.#patience);
    switch (this.#pc.connectionState) {
      case 'connected':
        this.#hurry();
        this.on.connected();
        break;
      case 'disconnected':
        this.#patience = setTimeout(() => this.#lose(), PATIENCE_MS);
        this.on.shaken();
        break;
      case 'failed':
      case 'closed':
        this.#lose();
        break;
      default:
    }
  }

  #hurry(): void {
    for (const { receiver } of this.#cameras) hurry(receiver);
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
