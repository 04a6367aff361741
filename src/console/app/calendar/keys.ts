import { localTime } from '../time/zone.js';
import { lengthened, moved, movedDays, type Bounds, type Draft } from './draft.js';
import type { Column, LabTimes } from './model.js';

export interface Choosing {
  columns: readonly Column[];
  bounds: Bounds;
  times: LabTimes;
  draft: Draft | null;
  now: number;
  view: 'day' | 'week';
}

/** What a key asks for; null where it is not for the calendar. */
export interface Keyed {
  draft?: Draft | null;
  book?: true;
  /** The choice has left the days shown, backwards or forwards. */
  step?: -1 | 1;
}

/** Arrows move the choice, with shift its end; page keys move it by days; Enter books it, Escape drops it. */
export function keyed({ key, shiftKey }: Pick<KeyboardEvent, 'key' | 'shiftKey'>, choosing: Choosing): Keyed | null {
  const { draft, bounds } = choosing;
  const known = ['ArrowUp', 'ArrowDown', 'ArrowLeft', 'ArrowRight', 'PageUp', 'PageDown', 'Enter', 'Escape'];
  if (!known.includes(key)) return null;
  if (key === 'Escape') return draft === null ? null : { draft: null };
  if (draft === null) {
    const first = firstChoice(choosing);
    return first === null ? null : { draft: first };
  }
  switch (key) {
    case 'Enter':
      return { book: true };
    case 'ArrowUp':
    case 'ArrowDown': {
      const by = key === 'ArrowUp' ? -1 : 1;
      return shown(shiftKey ? lengthened(draft, by, bounds) : moved(draft, by, bounds), choosing);
    }
    case 'PageUp':
    case 'PageDown':
      return shown(movedDays(draft, key === 'PageUp' ? -1 : 1, bounds), choosing);
    default:
      return shiftKey ? shown(lengthened(draft, key === 'ArrowLeft' ? -1 : 1, bounds), choosing) : sideways(key === 'ArrowLeft' ? -1 : 1, draft, choosing);
  }
}

/** In a week to the day beside, in a day to the robot beside. */
function sideways(by: -1 | 1, draft: Draft, choosing: Choosing): Keyed {
  const { columns, bounds, view } = choosing;
  if (view === 'week') return shown(movedDays(draft, by, bounds), choosing);
  const at = columns.findIndex(({ target }) => target.key === draft.column);
  return { draft: { ...draft, column: columns[at + by]?.target.key ?? draft.column } };
}

function shown(draft: Draft, { columns, times }: Choosing): Keyed {
  const { date } = localTime(times.zone, draft.startsAt);
  const dates = columns.map((column) => column.date);
  if (date < (dates[0] ?? date)) return { draft, step: -1 };
  return date > (dates.at(-1) ?? date) ? { draft, step: 1 } : { draft };
}

/** The first free slot shown, or else the first step that is still to come. */
function firstChoice({ columns, times, bounds, now }: Choosing): Draft | null {
  const slots = columns.flatMap(({ target, free }) => free.map((slot) => ({ column: target.key, ...slot })));
  const free = slots.filter(({ endsAt }) => endsAt > now).sort((a, b) => a.startsAt - b.startsAt)[0];
  if (free !== undefined) return free;
  const column = columns[0];
  if (column === undefined) return null;
  const step = bounds.step * 60_000;
  const startsAt = Math.ceil(now / step) * step;
  return { column: column.target.key, startsAt, endsAt: startsAt + Math.min(times.slotMinutes, times.longestMinutes) * 60_000 };
}
