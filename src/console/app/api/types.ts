/** Shapes of the REST interface (docs/PROTOCOL.md and /openapi.json), as this console uses them. Times are RFC 3339, UTC. */

export type Role = 'viewer' | 'admin' | 'auditor';

export interface User {
  id: string;
  name: string;
  email: string;
  role: Role;
  created_at?: string;
  suspended?: boolean;
}

export interface PublicConfig {
  /** Whether people may make themselves an account. */
  registration?: boolean;
}

export interface SignedIn {
  access_token: string;
  token_type: 'bearer';
  user: User;
}

export interface PasswordChanged extends User {
  access_token: string;
}

export interface Robot {
  id: string;
  slug?: string;
  name: string;
  type: string;
  online: boolean;
  publishing?: boolean;
  cameras: string[];
  maintenance?: boolean;
  /** The maintenance that is or comes next; without an end until somebody ends it. */
  next_maintenance?: { starts_at: string; ends_at: string | null } | null;
  emergency_stop?: boolean;
  /** The emergency stop that is engaged; `acknowledged_at` is when the robot said that it stands still. For admins. */
  stop?: { engaged_at: string; acknowledged_at: string | null; reason: string | null } | null;
  retired?: boolean;
  /** When it was last heard of; for admins. */
  last_seen?: string | null;
  /** Its credentials that are good still; for admins. */
  credentials?: string[];
}

export interface Robots {
  robots: string[];
  registry: Robot[];
}

export type BookingStatus =
  | 'requested'
  | 'confirmed'
  | 'active'
  | 'ended'
  | 'rejected'
  | 'cancelled'
  | 'no_show';

export interface Booking {
  id: string;
  user_id: string;
  robot_id: string | null;
  robot_type: string;
  starts_at: string;
  ends_at: string;
  room_id: string | null;
  status: BookingStatus;
  /** What whoever is signed in is to it; null for administrators who are neither. */
  role?: 'holder' | 'guest' | null;
  /** Told to guests. */
  invited_by?: BookingMember | null;
  guests?: BookingMember[];
  /** Why it ended or was cancelled, once it was. */
  cause?: string | null;
  /** Why it was rejected: a code. */
  rejected?: string | null;
}

/** Somebody who takes part in a booking. */
export interface BookingMember {
  user_id: string;
  /** Null once the person was erased. */
  name: string | null;
}

export interface List<Item> {
  items: Item[];
  next: string | null;
}

export interface ScheduledSlot {
  robot_id: string;
  starts_at: string;
  ends_at: string;
  mine: boolean;
  /** Whose it is; for admins only. */
  name?: string;
}

/** One bookable slot. */
export interface AvailableSlot {
  starts_at: string;
  ends_at: string;
  /** The robots of the type that are free then. */
  robot_ids: string[];
}

export interface AvailableSlots {
  date: string;
  robot_type: string;
  available_slots: AvailableSlot[];
  /** Times of the day in the lab's zone, up to 24:00; the same twice on a day on which it is closed. */
  working_hours: { start: string; end: string };
  /** Hours. */
  max_session_duration: number;
  /** Hours. */
  min_session_duration: number;
  /** Hours. */
  slot_duration: number;
  /** How long before its start a window has to be booked, in hours; with 0, until its end. */
  lead_time: number;
  /** Of 24 hours each. */
  days_ahead: number;
  /** The lab's time zone, an IANA name. */
  zone: string;
}

export type NewBooking = { starts_at: string; ends_at: string } & ({ robot_id: string } | { robot_type: string });

/** Times of the day, to the second; `to` 00:00 is the midnight at the day's end. */
export interface OpenHours {
  from: string;
  to: string;
}

export type Weekday = 'monday' | 'tuesday' | 'wednesday' | 'thursday' | 'friday' | 'saturday' | 'sunday';

/** The lab's rules as admins change them; what this console does not know of is given back as it came. */
export interface LabRules {
  zone: string;
  /** Of every day that has no own ones; null: at any hour. */
  open_hours: OpenHours | null;
  /** The days of the week that differ; null: closed all day. */
  weekday_hours?: Partial<Record<Weekday, OpenHours | null>>;
  slot_minutes: number;
  min_minutes: number;
  max_minutes: number;
  days_ahead: number;
  lead_minutes: number;
  buffer_s: number;
  closures: string[];
  viewer_limit: number;
  watch_minutes: number;
  watch_is_silent: boolean;
  no_robot_grace_s: number | null;
  no_show_after_s: number | null;
  [other: string]: unknown;
}

/** A room that an admin may look into. */
export interface Watch {
  room_id: string;
  ends_at: string;
}

/** A link that works once. */
export interface OneTimeLink {
  url: string;
  expires_at: string;
}

export interface WebRtcConfig {
  ice_servers: RTCIceServer[];
  ice_transport_policy?: RTCIceTransportPolicy;
  bundle_policy?: RTCBundlePolicy;
}

export interface Health {
  status: string;
  timestamp: string;
}

export interface NewRobot {
  slug: string;
  name: string;
  type: string;
  cameras?: string[];
}

export interface NewUser {
  name: string;
  email: string;
  password: string;
  role: Role;
}

/** The one reply that ever carries a robot's credential. */
export interface IssuedCredential {
  id: string;
  token: string;
}
