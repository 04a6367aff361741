import type { ServerMessage } from './messages.js';

/**
 * - `connecting`: not in the room yet
 * - `waiting`: in front of the door, the window has not begun
 * - `live`: in the room
 * - `reconnecting`: was in the room, the server is out of reach for now
 * - `closing`: the countdown reached zero here; the server's word on why is awaited
 * - `ended`: over for good
 * - `refused`: the server does not let this viewer in
 */
export type Phase = 'connecting' | 'waiting' | 'live' | 'reconnecting' | 'closing' | 'ended' | 'refused';

export interface ViewerState {
  phase: Phase;
  /** Unix milliseconds by the server's clock, once known. */
  endsAt: number | null;
  role: string | null;
  robotAvailable: boolean;
  /** The administrators who see the robot from a room of their own. */
  watchedBy: readonly string[];
  /** The running emergency stop's reason. */
  emergencyStop: string | null;
  /** One ran, and was cleared while somebody watched. */
  stopIsOver: boolean;
  /** The last warning given, in seconds before the end. */
  warning: number | null;
  change: { endsAt: number; before: number | null; reason: string } | null;
  end: { cause: string; reason: string | null; endedAt: number } | null;
  refusal: { code: string; message: string } | null;
}

export const INITIAL: ViewerState = {
  phase: 'connecting',
  endsAt: null,
  role: null,
  robotAvailable: true,
  watchedBy: [],
  emergencyStop: null,
  stopIsOver: false,
  warning: null,
  change: null,
  end: null,
  refusal: null,
};

/** Refusals that no second try changes. All others (unavailable, rate_limited, …) pass while the window lasts. */
const LASTING = new Set([
  'bad_token',
  'no_active_booking',
  'not_your_booking',
  'window_closed',
  'suspended',
  'wrong_role',
  'origin_refused',
  'not_found',
  'reason_required',
]);

export function isFinal(state: ViewerState): boolean {
  return state.phase === 'ended' || state.phase === 'refused';
}

/** What a message from the server makes of the state. Pure; what is over stays over. */
export function onMessage(state: ViewerState, message: ServerMessage): ViewerState {
  if (isFinal(state)) return state;
  switch (message.event) {
    case 'joined-room': {
      const { endsAt, role, state: room } = message.data;
      // What holds besides is told again right after it; what was known before an outage may have passed meanwhile.
      const anew = { robotAvailable: false, watchedBy: [], emergencyStop: null, stopIsOver: false };
      return { ...state, ...anew, endsAt: Date.parse(endsAt), role, phase: room === 'waiting' ? 'waiting' : 'live' };
    }
    case 'session-started':
      return { ...state, endsAt: Date.parse(message.data.endsAt), phase: 'live' };
    case 'session-warning':
      return { ...state, warning: message.data.secondsLeft };
    case 'session-changed': {
      const endsAt = Date.parse(message.data.endsAt);
      // It comes over signaling and over the data channel: the second says nothing new.
      if (endsAt === state.endsAt) return state;
      const change = { endsAt, before: state.endsAt, reason: message.data.reason };
      // More time makes an earlier warning untrue; and one that crossed with our own zero brings the picture back.
      const phase = state.phase === 'closing' ? 'live' : state.phase;
      return { ...state, phase, endsAt, change, warning: null };
    }
    case 'session-ended': {
      const { cause, reason, endedAt } = message.data;
      return { ...state, phase: 'ended', end: { cause, reason: reason ?? null, endedAt: Date.parse(endedAt) } };
    }
    case 'user-joined':
    case 'user-left': {
      const { userId, watch } = message.data;
      if (watch !== true) return state;
      const others = state.watchedBy.filter((id) => id !== userId);
      return { ...state, watchedBy: message.event === 'user-left' ? others : [...others, userId] };
    }
    case 'emergency-stop':
      return message.data.engaged
        ? { ...state, emergencyStop: message.data.reason, stopIsOver: false }
        : { ...state, emergencyStop: null, stopIsOver: state.stopIsOver || state.emergencyStop !== null };
    case 'robot-available':
      return { ...state, robotAvailable: true };
    case 'robot-unavailable':
      return { ...state, robotAvailable: false };
    case 'error':
      return onError(state, message.data.code, message.data.message);
    default:
      return state;
  }
}

function onError(state: ViewerState, code: string, text: string): ViewerState {
  if (code === 'robot_offline') return { ...state, robotAvailable: false };
  // Back from an outage only to find the door closed: the session ended while nobody could say so.
  if (code === 'window_closed' && state.endsAt !== null) {
    return { ...state, phase: 'ended', end: { cause: 'window_closed', reason: null, endedAt: state.endsAt } };
  }
  // A full room turns a newcomer away; whoever was inside is waiting for their own old connection to be noticed as gone.
  const lasting = LASTING.has(code) || (code === 'room_full' && state.endsAt === null);
  return lasting ? { ...state, phase: 'refused', refusal: { code, message: text } } : state;
}

/** The countdown reached zero here: nothing more is shown, whatever the network does. */
export function onLocalZero(state: ViewerState): ViewerState {
  return state.phase === 'live' || state.phase === 'reconnecting' ? { ...state, phase: 'closing' } : state;
}

/** The server's word on the end did not come in time: the clock's own word stands. */
export function onSilence(state: ViewerState): ViewerState {
  if (state.phase !== 'closing' || state.endsAt === null) return state;
  return { ...state, phase: 'ended', end: { cause: 'window_closed', reason: null, endedAt: state.endsAt } };
}

/** The line to the server is gone. */
export function onDisconnected(state: ViewerState): ViewerState {
  return state.phase === 'live' ? { ...state, phase: 'reconnecting' } : state;
}
