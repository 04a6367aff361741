import { describe, expect, it } from 'vitest';
import { backoffMs, LONGEST_MS } from './backoff.js';
import { readMessage, type ServerMessage } from './messages.js';
import { INITIAL, onDisconnected, onLocalZero, onMessage, onSilence, type ViewerState } from './state.js';

const ENDS = '2027-01-15T08:10:00.000Z';
const joined: ServerMessage = {
  event: 'joined-room',
  data: { roomId: 'r', endsAt: ENDS, serverTime: '2027-01-15T08:00:00.000Z', role: 'holder', state: 'open' },
};
const waiting: ServerMessage = { event: 'joined-room', data: { ...joined.data, state: 'waiting' } };
const refusal = (code: string): ServerMessage => ({ event: 'error', data: { code, message: 'No.' } });

function after(...messages: ServerMessage[]): ViewerState {
  return messages.reduce(onMessage, INITIAL);
}

describe('a viewer', () => {
  it('waits in front of a window that has not begun, and goes in when it does', () => {
    expect(after(waiting).phase).toBe('waiting');
    const started: ServerMessage = {
      event: 'session-started',
      data: { roomId: 'r', startsAt: ENDS, endsAt: ENDS, serverTime: ENDS },
    };
    expect(after(waiting, started).phase).toBe('live');
  });

  it('says why the session ended, and nothing that comes later changes it', () => {
    const ended: ServerMessage = {
      event: 'session-ended',
      data: { roomId: 'r', cause: 'terminated_by_admin', reason: 'Needed elsewhere', endedAt: ENDS },
    };
    const state = after(joined, ended, { ...ended, data: { ...ended.data, cause: 'window_closed' } }, joined);
    expect(state.phase).toBe('ended');
    expect(state.end).toEqual({ cause: 'terminated_by_admin', reason: 'Needed elsewhere', endedAt: Date.parse(ENDS) });
  });

  it('stops at its own zero and ends by the clock when the server stays silent', () => {
    const closing = onLocalZero(after(joined));
    expect(closing.phase).toBe('closing');
    expect(onSilence(closing).end?.cause).toBe('window_closed');
    expect(onLocalZero(onDisconnected(after(joined))).phase).toBe('closing');
  });

  it('comes back when more time was given just as its own clock reached zero', () => {
    const later = '2027-01-15T08:20:00.000Z';
    const changed: ServerMessage = {
      event: 'session-changed',
      data: { roomId: 'r', endsAt: later, reason: 'Extended', by: 'holder' },
    };
    const state = onMessage(onLocalZero(after(joined)), changed);
    expect(state).toMatchObject({ phase: 'live', endsAt: Date.parse(later), warning: null });
  });

  it('takes the second telling of one change, by the other way, for nothing new', () => {
    const earlier: ServerMessage = {
      event: 'session-changed',
      data: { roomId: 'r', endsAt: '2027-01-15T08:05:00.000Z', reason: 'A visit', by: 'admin' },
    };
    const once = after(joined, earlier);
    expect(once.change).toMatchObject({ before: Date.parse(ENDS), reason: 'A visit' });
    expect(onMessage(once, earlier)).toBe(once);
    const closing = onLocalZero(once);
    expect(onMessage(closing, earlier)).toBe(closing);
  });

  it('gives up only on refusals that last', () => {
    expect(after(refusal('not_your_booking')).phase).toBe('refused');
    expect(after(refusal('room_full')).phase).toBe('refused');
    expect(onMessage(onDisconnected(after(joined)), refusal('room_full')).phase).toBe('reconnecting');
    expect(after(refusal('unavailable')).phase).toBe('connecting');
    expect(after(joined, refusal('invalid')).phase).toBe('live');
  });

  it('learns after an outage that the window has closed', () => {
    const state = onMessage(onDisconnected(after(joined)), refusal('window_closed'));
    expect(state.end).toEqual({ cause: 'window_closed', reason: null, endedAt: Date.parse(ENDS) });
  });
});

describe('a frame', () => {
  it('of an unknown event or no sense at all is passed over', () => {
    expect(readMessage('{"event":"party","data":{}}')).toBeNull();
    expect(readMessage('{"event":"error"}')).toBeNull();
    expect(readMessage('null')).toBeNull();
    expect(readMessage('{')).toBeNull();
    expect(readMessage(new ArrayBuffer(2))).toBeNull();
    expect(readMessage(JSON.stringify(joined))).toEqual(joined);
  });
});

describe('the pause between attempts', () => {
  it('grows, differs between viewers, and never passes a second', () => {
    expect(backoffMs(0, 0)).toBe(0);
    expect(backoffMs(1, 0)).toBe(100);
    expect(backoffMs(3, 0)).toBe(400);
    expect(backoffMs(3, 0.99)).toBeLessThan(backoffMs(3, 0));
    for (const attempt of [5, 20, 5000]) expect(backoffMs(attempt, 0)).toBe(LONGEST_MS);
  });

  it('knows who watches besides, until they leave', () => {
    const comes: ServerMessage = { event: 'user-joined', data: { userId: 'a', userType: 'viewer', watch: true } };
    const guest: ServerMessage = { event: 'user-joined', data: { userId: 'g', userType: 'viewer' } };
    expect(after(joined, comes, comes, guest).watchedBy).toEqual(['a']);
    expect(after(joined, comes, { ...comes, event: 'user-left' }).watchedBy).toEqual([]);
  });

  it('is told after an outage what holds still, and takes nothing else for true', () => {
    const stop: ServerMessage = { event: 'emergency-stop', data: { robotId: 't', engaged: true, reason: 'In its way' } };
    const online: ServerMessage = { event: 'robot-available', data: { userId: 't' } };
    const comes: ServerMessage = { event: 'user-joined', data: { userId: 'a', userType: 'viewer', watch: true } };
    const before = after(joined, online, stop, comes);
    expect(before).toMatchObject({ robotAvailable: true, emergencyStop: 'In its way', watchedBy: ['a'] });
    const again = onMessage(onDisconnected(before), joined);
    expect(again).toMatchObject({ phase: 'live', robotAvailable: false, emergencyStop: null, watchedBy: [] });
    expect(onMessage(again, online).robotAvailable).toBe(true);
    const cleared: ServerMessage = { event: 'emergency-stop', data: { robotId: 't', engaged: false, reason: 'It is gone' } };
    expect(onMessage(before, cleared)).toMatchObject({ emergencyStop: null, stopIsOver: true });
    expect(onMessage(after(joined), cleared).stopIsOver).toBe(false);
  });
});
