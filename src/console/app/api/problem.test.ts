import source from '../../../../domain/src/reason.rs?raw';
import { describe, expect, it } from 'vitest';
import { causeInWords, nextInWords, refusalNextInWords } from '../words.js';
import { ApiError, inWords } from './problem.js';

/** What the server can refuse with is read from its own list, so that none is added there without words for it here. */
function listed(from: string, to: string): string[] {
  const part = source.slice(source.indexOf(from), source.indexOf(to, source.indexOf(from)));
  return [...new Set([...part.matchAll(/=> "([a-z_]+)"/g)].map(([, code]) => code!))];
}

/** What the server says of each code unless it knows more. */
function texts(): Map<string, string> {
  const codes = new Map([...source.matchAll(/Self::(\w+)(?: \| Self::\w+)* => "([a-z_]+)"/g)].map(([, name, code]) => [name!, code!]));
  return new Map([...source.matchAll(/Self::(\w+) => "([A-Z][^"]+)"/g)].map(([, name, text]) => [codes.get(name!) ?? name!, text!]));
}

const CODES = [...listed('pub const fn code', 'pub const fn text'), 'method_not_allowed'];
const CAUSES = listed('impl Cause', 'impl fmt::Display for Cause');

describe('refusals', () => {
  it('are read from the list of the server', () => {
    expect(CODES.length).toBeGreaterThan(20);
    expect(CAUSES).toContain('window_closed');
  });

  it.each(CODES)('%s says what to do next', (code) => {
    const said = texts().get(code) ?? 'This cannot be.';
    const read = inWords(new ApiError(409, code, said));
    expect(read.startsWith(said)).toBe(true);
    // Two sentences, the second of them an advice of its own, unless the first gives it already.
    const advice = read.slice(said.length).trim();
    expect(advice !== '' || /please|try again/i.test(said)).toBe(true);
    expect(advice).not.toBe('Reload the page and try again.');
    expect(refusalNextInWords(code)).toMatch(/^[A-Z].*\.$/);
  });

  it('advice is not given twice', () => {
    expect(inWords(new ApiError(401, 'bad_token', 'Please sign in again.'))).toBe('Please sign in again.');
  });

  it('a page may know better what to do', () => {
    const refused = new ApiError(401, 'bad_token', 'This link is used up.');
    expect(inWords(refused, { bad_token: 'Ask for another.' })).toBe('This link is used up. Ask for another.');
  });

  it('the wait that the server asks for comes first', () => {
    expect(inWords(new ApiError(429, 'rate_limited', 'Too many.', 7))).toBe('Too many. Try again in 7 s.');
  });

  it('fields are named as a person reads them', () => {
    expect(inWords(new ApiError(422, 'invalid', '`ends_at` is missing.'))).toBe('“ends at” is missing. Correct it and try again.');
  });

  it('a fault of this page says so too', () => {
    expect(inWords(new TypeError('x is undefined'))).toMatch(/Reload it and try again/);
  });
});

describe('ends', () => {
  it.each(CAUSES)('%s is a sentence, with what to do next', (cause) => {
    expect(causeInWords(cause)).toMatch(/^[A-Z].*\.$/);
    expect(causeInWords(cause)).not.toContain('(');
    expect(nextInWords(cause)).not.toBe(nextInWords('of a newer server'));
  });
});
