import type { ScheduledSlot } from './api/types.js';

export interface Slot {
  startsAt: number;
  endsAt: number;
  mine: boolean;
  /** Whose it is, where that may be known. */
  name: string | null;
}

/** One robot's slots that are not over yet, in order. */
export function slotsOf(robotId: string, schedule: readonly ScheduledSlot[], now: number): Slot[] {
  return schedule
    .filter((slot) => slot.robot_id === robotId)
    .map(({ starts_at, ends_at, mine, name }) => ({
      startsAt: Date.parse(starts_at),
      endsAt: Date.parse(ends_at),
      mine,
      name: name ?? null,
    }))
    .filter((slot) => slot.endsAt > now)
    .sort((a, b) => a.startsAt - b.startsAt);
}

/** Whether a robot is free now, and until when that stays so: `until` is null when nothing is planned. */
export function availability(slots: readonly Slot[], now: number): { free: boolean; until: number | null; mine: boolean } {
  const running = slots.find((slot) => slot.startsAt <= now && now < slot.endsAt);
  if (running === undefined) return { free: true, until: slots[0]?.startsAt ?? null, mine: false };
  // Slots that touch leave no gap to book.
  let until = running.endsAt;
  for (const slot of slots) if (slot.startsAt <= until && slot.endsAt > until) until = slot.endsAt;
  return { free: false, until, mine: running.mine };
}
