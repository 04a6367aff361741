import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ServerClock } from '../time/server-clock.js';
import type { ServerMessages } from './messages.js';
import { ViewerSession } from './session.js';
import type { ViewerState } from './state.js';

/** The line to a server that is played by the test. */
class FakeSocket extends EventTarget {
  static readonly OPEN = 1;
  static all: FakeSocket[] = [];
  readyState = 0;
  sent: { event: string; data: Record<string, unknown> }[] = [];

  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {
    super();
    FakeSocket.all.push(this);
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text) as (typeof this.sent)[number]);
  }

  close(): void {
    this.readyState = 3;
  }

  open(): void {
    this.readyState = FakeSocket.OPEN;
    this.dispatchEvent(new Event('open'));
  }

  drop(): void {
    this.readyState = 3;
    this.dispatchEvent(new Event('close'));
  }

  say<Name extends keyof ServerMessages>(event: Name, data: ServerMessages[Name]): void {
    this.dispatchEvent(Object.assign(new Event('message'), { data: JSON.stringify({ event, data }) }));
  }

  events(): string[] {
    return this.sent.map(({ event }) => event);
  }
}

class FakePeer {
  static open = 0;
  static last: FakePeer;
  restarts = 0;
  sections: string[] = [];
  localDescription: { sdp: string } | null = null;
  signalingState = 'have-local-offer';
  connectionState = 'new';
  remote: string | null = null;
  onconnectionstatechange: (() => void) | null = null;

  constructor() {
    FakePeer.open += 1;
    FakePeer.last = this;
  }

  addTransceiver = (kind: string) => {
    this.sections.push(kind);
    return { receiver: {} };
  };
  restartIce(): void {
    this.restarts += 1;
  }
  become(state: string): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
  createDataChannel = () => ({});
  setLocalDescription = async () => {
    this.localDescription = { sdp: 'v=0 offer' };
    this.signalingState = 'have-local-offer';
  };
  setRemoteDescription = async ({ sdp }: { sdp: string }) => {
    this.remote = sdp;
    this.signalingState = 'stable';
  };
  addIceCandidate = async () => undefined;
  close(): void {
    if (this.signalingState !== 'closed') FakePeer.open -= 1;
    this.signalingState = 'closed';
  }
}

const START = Date.parse('2027-01-15T08:00:00.000Z');
const rfc = (afterMs: number) => new Date(START + afterMs).toISOString();

beforeEach(() => {
  FakeSocket.all = [];
  FakePeer.open = 0;
  vi.useFakeTimers({ now: START });
  vi.stubGlobal('WebSocket', FakeSocket);
  vi.stubGlobal('RTCPeerConnection', FakePeer);
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function watching(cameras: () => Promise<number> = async () => 2) {
  const states: ViewerState[] = [];
  const stop = vi.fn();
  const session = new ViewerSession(
    {
      server: 'https://lab.example',
      room: 'booking-1',
      token: () => 'secret',
      clock: new ServerClock(),
      rtcConfig: async () => ({}),
      cameras,
    },
    { state: (state) => states.push(state), camera: () => undefined, sound: () => undefined, stop },
  );
  return { session, stop, phase: () => states.at(-1)?.phase, last: () => states.at(-1) };
}

function line(): FakeSocket {
  const socket = FakeSocket.all.at(-1);
  if (socket === undefined) throw new Error('no line was opened');
  return socket;
}

function join(state: 'open' | 'waiting', endsInMs = 60_000): void {
  line().say('joined-room', {
    roomId: 'r',
    endsAt: rfc(Date.now() - START + endsInMs),
    serverTime: rfc(Date.now() - START),
    role: 'holder',
    state,
  });
}

const settle = () => vi.advanceTimersByTimeAsync(0);

describe('a session', () => {
  it('says who it is and where it wants to go at once, with the token in no address', () => {
    watching();
    line().open();
    expect(line().url).toBe('wss://lab.example/ws');
    expect(line().protocols).toEqual(['curfew.v1', 'bearer.secret']);
    expect(line().events()).toEqual(['register', 'join-room']);
  });

  it('offers as soon as it is in, and not while it waits', async () => {
    watching();
    line().open();
    join('waiting');
    await settle();
    expect(line().events()).not.toContain('offer');
    line().say('session-started', { roomId: 'r', startsAt: rfc(0), endsAt: rfc(60_000), serverTime: rfc(0) });
    await settle();
    expect(line().events()).toContain('offer');
  });

  it('shows nothing past its own zero, and waits a moment for the reason', async () => {
    const { stop, phase, last } = watching();
    line().open();
    join('open', 1000);
    await vi.advanceTimersByTimeAsync(999);
    expect(stop).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(stop).toHaveBeenCalledOnce();
    expect(FakePeer.open).toBe(0);
    expect(phase()).toBe('closing');
    line().say('session-ended', { roomId: 'r', cause: 'window_closed', endedAt: rfc(1000) });
    expect(last()?.end?.cause).toBe('window_closed');
  });

  it('ends by the clock even when the server is gone', async () => {
    const { phase } = watching();
    line().open();
    join('open', 1000);
    line().drop();
    await vi.advanceTimersByTimeAsync(4000);
    expect(phase()).toBe('ended');
  });

  it('comes back within a second of each lost line and offers anew', async () => {
    const { phase } = watching();
    line().open();
    join('open');
    await settle();
    for (let lost = 1; lost <= 8; lost += 1) {
      line().drop();
      expect(phase()).toBe('reconnecting');
      const before = FakeSocket.all.length;
      await vi.advanceTimersByTimeAsync(1000);
      expect(FakeSocket.all.length).toBeGreaterThan(before);
    }
    line().open();
    join('open');
    await settle();
    expect(phase()).toBe('live');
    expect(line().events()).toContain('offer');
    expect(FakePeer.open).toBe(1);
  });

  it('asks for every camera and for the sound', async () => {
    watching();
    line().open();
    join('open');
    await settle();
    expect(FakePeer.last.sections).toEqual(['video', 'video', 'audio']);
  });

  it('looks for a new path when the one it has falls silent, and gives it up when there is none', async () => {
    watching();
    line().open();
    join('open');
    await settle();
    const first = FakePeer.last;
    first.signalingState = 'stable';
    first.become('connected');
    first.become('disconnected');
    await settle();
    expect(first.restarts).toBe(1);
    expect(line().events().filter((event) => event === 'offer')).toHaveLength(2);
    first.become('connected');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(FakePeer.last).toBe(first);

    first.become('disconnected');
    await vi.advanceTimersByTimeAsync(5000);
    expect(FakePeer.last).not.toBe(first);
    expect(FakePeer.open).toBe(1);
  });

  it('takes no answer to a connection that was given up for the next one', async () => {
    const answer = (sdp: string) => line().say('answer', { from: 'r', answer: { type: 'answer', sdp } });
    watching();
    line().open();
    join('open');
    await settle();
    const first = FakePeer.last;
    answer('the first');
    first.become('connected');
    first.become('disconnected');
    await vi.advanceTimersByTimeAsync(3500);
    const second = FakePeer.last;
    expect(second).not.toBe(first);
    expect(line().events().filter((event) => event === 'offer')).toHaveLength(3);
    answer('to the restart');
    answer('the second');
    await settle();
    expect([first.remote, second.remote]).toEqual(['the first', 'the second']);
  });

  it('takes another line when nothing is answered on this one', async () => {
    watching();
    line().open();
    join('open');
    await vi.advanceTimersByTimeAsync(11_000);
    expect(FakeSocket.all).toHaveLength(2);
  });

  it('asks again for what a busy server could not do', async () => {
    watching();
    line().open();
    line().say('error', { code: 'unavailable', message: 'Try again.' });
    await vi.advanceTimersByTimeAsync(1000);
    expect(line().events()).toEqual(['register', 'join-room', 'join-room']);
  });

  it('asks again for its place at the door when a server that came back was too busy to give it', async () => {
    const { phase } = watching();
    line().open();
    join('waiting');
    line().drop();
    await vi.advanceTimersByTimeAsync(1000);
    line().open();
    line().say('error', { code: 'unavailable', message: 'Try again.' });
    expect(phase()).toBe('waiting');
    await vi.advanceTimersByTimeAsync(1000);
    expect(line().events()).toEqual(['register', 'join-room', 'join-room']);
  });

  it('asks again how many cameras there are when nobody could say at first', async () => {
    const cameras = vi.fn().mockRejectedValueOnce(new Error('no server yet')).mockResolvedValue(2);
    watching(cameras);
    await settle();
    line().open();
    join('open');
    await settle();
    expect(FakePeer.last.sections).toEqual(['video', 'video', 'audio']);
  });

  it('is gone without a trace once it is left', async () => {
    const { session } = watching();
    line().open();
    join('open');
    await settle();
    session.close();
    expect(line().events().at(-1)).toBe('leave-room');
    expect(FakePeer.open).toBe(0);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(FakeSocket.all).toHaveLength(1);
  });
});
