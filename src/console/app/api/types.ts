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

export interface SignedIn {
  access_token: string;
  token_type: 'bearer';
  user: User;
}

export interface Robot {
  id: string;
  slug?: string;
  name: string;
  type: string;
  online: boolean;
  cameras: string[];
  maintenance?: boolean;
  retired?: boolean;
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
  /** Why it ended or was cancelled, once it was. */
  cause?: string | null;
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

/** One bookable slot; date and times are in the lab's own time zone. */
export interface AvailableSlot {
  date: string;
  start_time: string;
  end_time: string;
  robot_type: string;
  duration_hours: number;
}

export interface AvailableSlots {
  date: string;
  robot_type: string;
  available_slots: AvailableSlot[];
  /** The lab's time zone, an IANA name. */
  zone?: string;
}

export type NewBooking =
  | { robot_id: string; starts_at: string; ends_at: string }
  | { robot_type: string; date: string; start_time: string; end_time: string };

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
