import { describe, expect, it } from 'vitest';
import { holding } from './long-list.js';

describe('what is looked for in a list', () => {
  const names = ['Zoë Müller zoe@lab.example', 'Mia Muller mia@lab.example', 'مريم بنت عبد الله'];
  const found = (sought: string) => holding(names, sought, (name) => name);

  it('is everything while nothing is', () => {
    expect(found('  ')).toBe(names);
  });

  it('has every word, in any order', () => {
    expect(found('muller mia')).toEqual([names[1]]);
    expect(found('mia zoe')).toEqual([]);
  });

  it('minds neither capitals nor accents', () => {
    expect(found('MULLER')).toHaveLength(2);
    expect(found('zoe')).toEqual([names[0]]);
    expect(found('مريم')).toEqual([names[2]]);
  });
});
