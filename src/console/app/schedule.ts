import type { Robot, ScheduledSlot } from './api/types.js';

export interface Slot {
  startsAt: number;
  /** Infinite for a maintenance that lasts until somebody ends it. */
  endsAt: number;
  kind: 'mine' | 'taken' | 'maintenance';
}

/** When one robot cannot be had and that is not over yet, in order. */
export function slotsOf(robot: Robot, schedule: readonly ScheduledSlot[], now: number): Slot[] {
  const booked = schedule
    .filter((slot) => slot.robot_id === robot.id)
    .map(({ starts_at, ends_at, mine }): Slot => ({ startsAt: Date.parse(starts_at), endsAt: Date.parse(ends_at), kind: mine ? 'mine' : 'taken' }));
  return [...booked, ...maintenanceOf(robot).map((span): Slot => ({ ...span, kind: 'maintenance' }))]
    .filter((slot) => slot.endsAt > now)
    .sort((a, b) => a.startsAt - b.startsAt);
}

/** When a robot is or will next be under maintenance. */
export function maintenanceOf({ next_maintenance: span }: Pick<Robot, 'next_maintenance'>): { startsAt: number; endsAt: number }[] {
  if (span === undefined || span === null) return [];
  return [{ startsAt: Date.parse(span.starts_at), endsAt: span.ends_at === null ? Infinity : Date.parse(span.ends_at) }];
}

/** What holds a robot now, null where it is free, and until when that stays so: null where it stays so as far as is known. */
export function availability(slots: readonly Slot[], now: number): { held: Slot['kind'] | null; until: number | null } {
  const running = slots.find((slot) => slot.startsAt <= now && now < slot.endsAt);
  if (running === undefined) return { held: null, until: slots[0]?.startsAt ?? null };
  // Slots that touch leave no gap to book.
  let until = running.endsAt;
  for (const slot of slots) if (slot.startsAt <= until && slot.endsAt > until) until = slot.endsAt;
  return { held: running.kind, until: until === Infinity ? null : until };
}
