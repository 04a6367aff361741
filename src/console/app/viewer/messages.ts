/**
 * The signaling protocol (docs/PROTOCOL.md) as a viewer speaks it, and how its frames are read. The hints `userId` and `to`
 * are left out: the token says who this is, and the room says which robot is meant.
 */

export type ClientMessage =
  | { event: 'register'; data: { userType: 'viewer' } }
  | { event: 'join-room'; data: { roomId: string } }
  | { event: 'offer'; data: { offer: { type: 'offer'; sdp: string } } }
  | { event: 'ice-candidate'; data: { candidate: RTCIceCandidateInit | null } }
  | { event: 'leave-room'; data: Record<string, never> };

export interface SessionEnded {
  roomId: string;
  cause: string;
  reason?: string | null;
  endedAt: string;
}

export interface Someone {
  userId: string;
  userType: string;
  /** An administrator who sees the robot from a room of their own. */
  watch?: boolean;
}

export interface ServerMessages {
  registered: { success: boolean; userId: string; userType: string };
  'joined-room': {
    roomId: string;
    endsAt: string;
    serverTime: string;
    role: string;
    state: 'waiting' | 'open';
  };
  'left-room': object;
  'user-joined': Someone;
  'user-left': Someone;
  'robot-available': { userId: string };
  'robot-unavailable': { userId: string };
  answer: { from: string; answer: { type: 'answer'; sdp: string } };
  'ice-candidate': { from: string; candidate: RTCIceCandidateInit | null };
  'session-started': { roomId: string; startsAt: string; endsAt: string; serverTime: string };
  'session-warning': { roomId: string; secondsLeft: number };
  'session-changed': { roomId: string; endsAt: string; reason: string; by: string };
  'session-ended': SessionEnded;
  'emergency-stop': { robotId: string; engaged: boolean; reason: string };
  error: { code: string; message: string };
}

export type ServerMessage = {
  [Name in keyof ServerMessages]: { event: Name; data: ServerMessages[Name] };
}[keyof ServerMessages];

const KNOWN: ReadonlySet<string> = new Set<keyof ServerMessages>([
  'registered',
  'joined-room',
  'left-room',
  'user-joined',
  'user-left',
  'robot-available',
  'robot-unavailable',
  'answer',
  'ice-candidate',
  'session-started',
  'session-warning',
  'session-changed',
  'session-ended',
  'emergency-stop',
  'error',
]);

/** The message in a frame, or null for one that this viewer has no use for (a newer server may say more). */
export function readMessage(frame: unknown): ServerMessage | null {
  if (typeof frame !== 'string') return null;
  try {
    const message = JSON.parse(frame) as { event?: unknown; data?: unknown };
    if (typeof message !== 'object' || message === null) return null;
    if (typeof message.event !== 'string' || !KNOWN.has(message.event)) return null;
    if (typeof message.data !== 'object' || message.data === null) return null;
    return message as ServerMessage;
  } catch {
    return null;
  }
}
