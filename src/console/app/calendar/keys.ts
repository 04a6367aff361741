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
      return { draft: shiftKey ? lengthened(draft, by, bounds) : moved(draft, by, bounds) };
    }
    case 'PageUp':
    case 'PageDown':
      return { draft: movedDays(draft, key === 'PageUp' ? -1 : 1, bounds) };
    default: {
      const by = key === 'ArrowLeft' ? -1 : 1;
      return { draft: shiftKey ? lengthened(draft, by, bounds) : sideways(by, draft, choosing) };
    }
  }
}

/** In a week to the day beside, in a day to the robot beside. */
function sideways(by: -1 | 1, draft: Draft, { columns, bounds, view }: Choosing): Draft {
  if (view === 'week') return movedDays(draft, by, bounds);
  const at = columns.findIndex(({ target }) => target.key === draft.column);
  return { ...draft, column: columns[at + by]?.target.key ?? draft.column };
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
