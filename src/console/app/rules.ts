import type { LabRules, OpenHours, Weekday } from './api/types.js';

/** A rule that is one number or one switch, as the editor shows it. */
export interface RuleField {
  name: string;
  group: string;
  label: string;
  /** What a change of it does. */
  does: string;
  /** `optional`: empty means that the rule does not hold. */
  kind: 'number' | 'optional' | 'switch';
  least: number;
  /** How many of the stored unit one of the shown is. */
  unit?: number;
}

const WINDOWS = 'What may be booked';
const ROBOTS = 'Between bookings and in sessions';
const WATCHES = 'Watching by administrators';

/** The rules that this console knows how to explain. */
const KNOWN: readonly RuleField[] = [
  { name: 'slot_minutes', group: WINDOWS, label: 'Slot, minutes', does: 'The calendar offers free slots of this length.', kind: 'number', least: 1 },
  { name: 'min_minutes', group: WINDOWS, label: 'Shortest booking, minutes', does: 'Shorter windows are refused.', kind: 'number', least: 1 },
  { name: 'max_minutes', group: WINDOWS, label: 'Longest booking, minutes', does: 'Longer windows are refused, extensions included.', kind: 'number', least: 1 },
  { name: 'days_ahead', group: WINDOWS, label: 'Days ahead', does: 'How far ahead a window may begin.', kind: 'number', least: 0 },
  { name: 'lead_minutes', group: WINDOWS, label: 'Lead time, minutes', does: 'How long before its start a window must be booked. With 0 it can be booked until its end.', kind: 'number', least: 0 },
  { name: 'buffer_s', group: ROBOTS, label: 'Buffer, minutes', does: 'What stays free between two bookings of one robot.', kind: 'number', least: 0, unit: 60 },
  { name: 'viewer_limit', group: ROBOTS, label: 'Viewers in a session', does: 'How many may watch at once, the holder included.', kind: 'number', least: 1 },
  { name: 'no_robot_grace_s', group: ROBOTS, label: 'Wait for a lost robot, seconds', does: 'After this long without its robot a session ends. Empty: it waits to its end.', kind: 'optional', least: 1 },
  { name: 'no_show_after_s', group: ROBOTS, label: 'Wait for the holder, seconds', does: 'After this long without its holder a session is given back. Empty: never.', kind: 'optional', least: 1 },
  { name: 'watch_minutes', group: WATCHES, label: 'Length of a watch, minutes', does: "How long an administrator's look into a robot lasts.", kind: 'number', least: 1 },
  { name: 'watch_is_silent', group: WATCHES, label: 'Watch without telling the holder', does: 'Off: whoever holds the session sees that an administrator watches. The log has it either way.', kind: 'switch', least: 0 },
];

/** The fields of these rules: those it can explain, and by their names what a newer server has besides. */
export function fieldsOf(rules: LabRules): RuleField[] {
  const known = KNOWN.filter(({ name }) => name in rules);
  const names = new Set([...known.map(({ name }) => name), 'zone', 'open_hours', 'weekday_hours', 'closures']);
  const others = Object.entries(rules).filter(([name]) => !names.has(name)).flatMap(([name, value]) => unknown(name, value));
  return [...known, ...others];
}

function unknown(name: string, value: unknown): RuleField[] {
  const words = name.replaceAll('_', ' ');
  const one = { name, group: 'Other rules', label: words.charAt(0).toUpperCase() + words.slice(1), least: 0 };
  if (typeof value === 'boolean') return [{ ...one, kind: 'switch', does: '' }];
  if (typeof value === 'number' || value === null) return [{ ...one, kind: 'optional', does: 'Empty: the rule does not hold.' }];
  return [];
}

/** A rule's value as its field shows it. */
export function valueOf(rules: LabRules, { name, unit = 1 }: RuleField): string {
  const value = rules[name];
  return typeof value === 'number' ? String(value / unit) : '';
}

export const WEEKDAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] as const satisfies readonly Weekday[];

/** What a day of the week has: the hours of every day, none, or its own. */
export type DayKind = 'usual' | 'closed' | 'own';

export function kindOf(rules: LabRules, day: Weekday): DayKind {
  const hours = rules.weekday_hours?.[day];
  if (hours === undefined) return 'usual';
  return hours === null ? 'closed' : 'own';
}

function weekFrom(text: (name: string) => string): NonNullable<LabRules['weekday_hours']> {
  const week: Partial<Record<Weekday, OpenHours | null>> = {};
  for (const day of WEEKDAYS) {
    const kind = text(day) as DayKind;
    if (kind === 'closed') week[day] = null;
    if (kind === 'own') week[day] = { from: `${text(`${day}-opens`)}:00`, to: `${text(`${day}-closes`)}:00` };
  }
  return week;
}

/** The rules that a filled-in form means; what it has no field for stays as it was. */
export function readRules(before: LabRules, form: HTMLFormElement): LabRules {
  return rulesFrom(before, new FormData(form));
}

export function rulesFrom(before: LabRules, data: FormData): LabRules {
  const text = (name: string) => String(data.get(name) ?? '').trim();
  const rules: LabRules = {
    ...before,
    zone: text('zone'),
    open_hours: data.has('always') ? null : { from: `${text('opens')}:00`, to: `${text('closes')}:00` },
    closures: text('closures').split(/[\s,;]+/).filter((date) => date !== ''),
  };
  const week = weekFrom(text);
  if (data.has(WEEKDAYS[0]) && ('weekday_hours' in before || Object.keys(week).length > 0)) rules.weekday_hours = week;
  for (const one of fieldsOf(before)) {
    if (one.kind === 'switch') rules[one.name] = data.has(one.name);
    else if (text(one.name) === '') rules[one.name] = null;
    else rules[one.name] = Math.round(Number(text(one.name)) * (one.unit ?? 1));
  }
  return rules;
}
