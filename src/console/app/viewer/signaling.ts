import { backoffMs } from './backoff.js';
import { readMessage, type ClientMessage, type ServerMessage } from './messages.js';

export interface SignalingEvents {
  /** The line stands; called again after every return of it. */
  up: () => void;
  /** The line is gone, or could not be had; the next attempt follows by itself. */
  down: (attempt: number) => void;
  message: (message: ServerMessage) => void;
}

export interface SignalingOptions {
  /** `ws:` or `wss:` address of `/ws`, without any token in it. */
  url: string;
  token: () => string | null;
}

/** The WebSocket to the server, which comes back by itself until it is closed. */
export class Signaling {
  #socket: WebSocket | null = null;
  #attempt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(
    private readonly options: SignalingOptions,
    private readonly on: SignalingEvents,
  ) {
    this.#connect();
  }

  /** Sends when the line stands; says whether it did. What was not sent is said again after the return, not queued. */
  send(message: ClientMessage): boolean {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /** Counts attempts from the start again: the server has answered, so it is really there. */
  settled(): void {
    this.#attempt = 0;
  }

  /** Gives up this line and gets another: nothing comes over it any more. */
  renew(): void {
    const silent = this.#socket;
    if (this.#closed || silent === null) return;
    this.#socket = null;
    silent.close();
    clearTimeout(this.#timer);
    this.#connect();
    this.on.down(this.#attempt);
  }

  /** Leaves the line for good. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket?.close(1000);
    this.#socket = null;
  }

  #connect(): void {
    const token = this.options.token();
    // The token goes as a subprotocol: a browser cannot set headers here, and an address ends up in logs.
    const protocols = token === null ? ['curfew.v1'] : ['curfew.v1', `bearer.${token}`];
    const socket = new WebSocket(this.options.url, protocols);
    this.#socket = socket;
    this.#attempt += 1;
    socket.addEventListener('open', () => this.#current(socket) && this.on.up());
    socket.addEventListener('message', (event) => {
      const message = this.#current(socket) ? readMessage(event.data) : null;
      if (message !== null) this.on.message(message);
    });
    socket.addEventListener('close', () => {
      if (!this.#current(socket)) return;
      this.#socket = null;
      this.#timer = setTimeout(() => this.#connect(), backoffMs(this.#attempt, Math.random()));
      this.on.down(this.#attempt);
    });
  }

  #current(socket: WebSocket): boolean {
    return !this.#closed && this.#socket === socket;
  }
}

/** The address of `/ws` on the server that serves `base` (an http or https address). */
export function signalingUrl(base: string): string {
  const url = new URL('/ws', base);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}
