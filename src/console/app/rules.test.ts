import { describe, expect, it } from 'vitest';
import type { LabRules } from './api/types.js';
import { fieldsOf, kindOf, rulesFrom, valueOf } from './rules.js';

const before: LabRules = {
  zone: 'UTC',
  open_hours: null,
  slot_minutes: 60,
  min_minutes: 1,
  max_minutes: 1440,
  days_ahead: 30,
  lead_minutes: 0,
  buffer_s: 90,
  closures: [],
  viewer_limit: 4,
  watch_minutes: 30,
  watch_is_silent: true,
  no_robot_grace_s: null,
  no_show_after_s: 300,
  something_newer: { kept: true },
  a_newer_number: 7,
};

function filled(fields: Record<string, string>): FormData {
  const data = new FormData();
  for (const one of fieldsOf(before)) if (one.kind !== 'switch') data.set(one.name, valueOf(before, one));
  for (const [name, value] of Object.entries(fields)) data.set(name, value);
  return data;
}

describe("the rules' form", () => {
  it('gives back what it was given, and what it does not know', () => {
    expect(rulesFrom(before, filled({ always: 'on', zone: 'UTC', closures: '', watch_is_silent: 'on' }))).toEqual(before);
  });

  it('reads hours, closures and switches', () => {
    const closures = '2026-12-24\n2026-12-25, 2026-12-26\n';
    const after = rulesFrom(before, filled({ opens: '08:00', closes: '00:00', zone: 'Europe/Berlin', closures }));
    expect(after.open_hours).toEqual({ from: '08:00:00', to: '00:00:00' });
    expect(after.closures).toEqual(['2026-12-24', '2026-12-25', '2026-12-26']);
    expect(after.watch_is_silent).toBe(false);
  });

  it('reads minutes where seconds are kept, and an empty field as no rule', () => {
    const after = rulesFrom(before, filled({ zone: 'UTC', closures: '', buffer_s: '5', no_show_after_s: '' }));
    expect(after).toMatchObject({ buffer_s: 300, no_show_after_s: null });
  });

  it('shows what only a newer server knows by its name', () => {
    expect(fieldsOf(before).at(-1)).toMatchObject({ name: 'a_newer_number', label: 'A newer number', group: 'Other rules' });
    expect(rulesFrom(before, filled({ zone: 'UTC', closures: '', a_newer_number: '9' }))['a_newer_number']).toBe(9);
  });

  it('reads the days of the week that differ, and leaves those alone that the server does not know', () => {
    const data = filled({ monday: 'usual', friday: 'own', 'friday-opens': '09:00', 'friday-closes': '12:30', sunday: 'closed' });
    expect(rulesFrom(before, data).weekday_hours).toEqual({ friday: { from: '09:00:00', to: '12:30:00' }, sunday: null });
    expect('weekday_hours' in rulesFrom(before, filled({ monday: 'usual' }))).toBe(false);
    const restful: LabRules = { ...before, weekday_hours: { sunday: null } };
    expect(rulesFrom(restful, filled({ monday: 'usual' })).weekday_hours).toEqual({});
    expect(kindOf(restful, 'sunday')).toBe('closed');
    expect(kindOf(restful, 'monday')).toBe('usual');
  });
});
