import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Page } from '@playwright/test';

/**
 * A wire between a page and the server that can be cut: everything goes through it, HTTP and WebSocket over one port and
 * media over another. While it is cut nothing passes and nobody is told, as with a network that is gone; browsers' own
 * emulation leaves peer connections and open WebSockets alone.
 */
export class Wire {
  #cut = false;
  readonly #streams = new Set<Socket>();
  /** One socket towards the server for each of the browser's own. */
  readonly #paths = new Map<number, DatagramSocket>();

  private constructor(
    private readonly http: Server,
    private readonly media: DatagramSocket,
    private readonly host: string,
  ) {}

  /** @param url the server's address; its media port is read from the candidates that it gives */
  static async to(url: string, page: Page): Promise<Wire> {
    const { hostname, port } = new URL(url);
    const media = createSocket('udp4');
    const http = createServer({ pauseOnConnect: true });
    const wire = new Wire(http, media, hostname);
    http.on('connection', (near) => wire.#join(near, connect(Number(port), hostname)));
    media.bind(0, hostname);
    http.listen(0, hostname);
    await Promise.all([once(media, 'listening'), once(http, 'listening')]);
    await page.exposeFunction('curfewThroughWire', (candidates: string) => wire.#lead(candidates));
    await page.addInitScript(rewriteCandidates);
    return wire;
  }

  /** The address to open instead of the server's. */
  get url(): string {
    return `http://${this.host}:${(this.http.address() as AddressInfo).port}`;
  }

  cut(): void {
    this.#cut = true;
    for (const stream of this.#streams) stream.pause();
  }

  mend(): void {
    this.#cut = false;
    for (const stream of this.#streams) stream.resume();
  }

  async close(): Promise<void> {
    for (const stream of this.#streams) stream.destroy();
    for (const path of this.#paths.values()) path.close();
    this.media.close();
    this.http.close();
    await once(this.http, 'close');
  }

  #join(near: Socket, far: Socket): void {
    for (const [from, to] of [[near, far], [far, near]] as const) {
      this.#streams.add(from);
      from.on('data', (data) => to.write(data));
      from.on('end', () => to.end());
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.#streams.delete(from);
        to.destroy();
      });
      if (this.#cut) from.pause();
      else from.resume();
    }
  }

  /** Puts this wire's media port in the place of the server's. */
  #lead(candidates: string): string {
    const own = (this.media.address() as AddressInfo).port;
    return candidates.replaceAll(/(candidate:\S+ \d+ udp \d+ \S+ )(\d+)/gi, (_, before: string, port: string) => {
      this.#listen(Number(port));
      return before + own;
    });
  }

  #listen(server: number): void {
    if (this.media.listenerCount('message') > 0) return;
    this.media.on('message', (packet, { port, address }) => {
      if (this.#cut) return;
      let path = this.#paths.get(port);
      if (path === undefined) {
        path = createSocket('udp4');
        path.on('message', (answer) => this.#cut || this.media.send(answer, port, address));
        this.#paths.set(port, path);
      }
      path.send(packet, server, this.host);
    });
  }
}

/** Runs in the page: what the server says of its addresses is taken as the wire's. */
function rewriteCandidates(): void {
  const lead = (text: string) => (window as unknown as { curfewThroughWire: (text: string) => Promise<string> }).curfewThroughWire(text);
  // Of their signatures those of before promises would be taken otherwise.
  const { setRemoteDescription, addIceCandidate } = RTCPeerConnection.prototype as {
    setRemoteDescription: (description: RTCSessionDescriptionInit) => Promise<void>;
    addIceCandidate: (candidate?: RTCIceCandidateInit | null) => Promise<void>;
  };
  RTCPeerConnection.prototype.setRemoteDescription = async function (description: RTCSessionDescriptionInit) {
    return setRemoteDescription.call(this, { ...description, sdp: await lead(description.sdp ?? '') });
  };
  RTCPeerConnection.prototype.addIceCandidate = async function (candidate?: RTCIceCandidateInit | null) {
    if (!candidate?.candidate) return addIceCandidate.call(this, candidate);
    return addIceCandidate.call(this, { ...candidate, candidate: await lead(candidate.candidate) });
  };
}
