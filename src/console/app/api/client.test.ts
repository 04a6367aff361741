import { describe, expect, it, vi } from 'vitest';
import { Client } from './client.js';
import { ApiError, inWords } from './problem.js';

function answering(reply: () => Response | Promise<Response>, onBadToken = () => {}) {
  const fetch = vi.fn(async (_route: RequestInfo | URL, _init?: RequestInit) => reply());
  return { client: new Client({ token: () => 'secret', onBadToken, fetch }), fetch };
}

const problem = (status: number, body: unknown, headers = {}) =>
  new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
  });

async function failure(of: Promise<unknown>): Promise<ApiError> {
  return of.then(
    () => expect.fail('it should have been refused'),
    (thrown: ApiError) => thrown,
  );
}

describe('the client', () => {
  it('sends the token as a header and never in the address', async () => {
    const { client, fetch } = answering(() => Response.json({ items: [], next: null }));
    await client.myBookings();
    const [route, init] = fetch.mock.calls[0] ?? [];
    expect(String(route)).toBe('/my-bookings?limit=1000');
    expect(new Headers(init?.headers).get('authorization')).toBe('Bearer secret');
  });

  it("shows a refusal in the server's own words, with its code", async () => {
    const refusal = { title: 'Conflict', detail: 'Somebody else has this slot.', code: 'slot_taken' };
    const thrown = await failure(answering(() => problem(409, refusal)).client.booking('b'));
    expect(thrown).toMatchObject({ status: 409, code: 'slot_taken', message: 'Somebody else has this slot.' });
    expect(inWords(thrown)).toBe('Somebody else has this slot. Choose another time or another robot.');
  });

  it('says when to try again', async () => {
    const { client } = answering(() => problem(429, { detail: 'Too many.', code: 'rate_limited' }, { 'retry-after': '7' }));
    expect(inWords(await failure(client.robots()))).toBe('Too many. Try again in 7 s.');
  });

  it('has words even for an error that brings none', async () => {
    const { client } = answering(() => new Response('<html>', { status: 502 }));
    expect((await failure(client.robots())).message).toContain('502');
  });

  it('has words for a server that cannot be reached', async () => {
    const { client } = answering(() => Promise.reject(new TypeError('fetch failed')));
    expect((await failure(client.robots())).code).toBe('unreachable');
  });

  it('tells a token that is no longer good from a wrong password', async () => {
    const onBadToken = vi.fn();
    const { client, fetch } = answering(() => problem(401, { detail: 'No.', code: 'bad_token' }), onBadToken);
    await failure(client.login('a@b.c', 'wrong'));
    expect(onBadToken).not.toHaveBeenCalled();
    expect(new Headers(fetch.mock.calls[0]?.[1]?.headers).has('authorization')).toBe(false);
    await failure(client.robots());
    expect(onBadToken).toHaveBeenCalledOnce();
  });

  it('gives a whole list, however many pages the server has of it', async () => {
    const pages = [{ items: [{ id: 'a' }], next: 'a&b' }, { items: [{ id: 'c' }], next: null }];
    const { client, fetch } = answering(() => Response.json(pages.shift()));
    expect((await client.adminUsers()).map(({ id }) => id)).toEqual(['a', 'c']);
    expect(fetch.mock.calls.map(([route]) => String(route))).toEqual(['/admin/users?limit=1000', '/admin/users?limit=1000&after=a%26b']);
  });

  it('makes nothing twice where the first answer was lost, and something else anew', async () => {
    const replies: (() => Response | Promise<Response>)[] = [
      () => Promise.reject(new TypeError('fetch failed')),
      () => Response.json({ id: 'a' }),
      () => Response.json({ id: 'b' }),
    ];
    const { client, fetch } = answering(() => replies.shift()!());
    await failure(client.issueCredential('turtle'));
    await client.issueCredential('turtle');
    await client.issueCredential('turtle');
    const [lost, again, another] = fetch.mock.calls.map(([, init]) => new Headers(init?.headers).get('idempotency-key'));
    expect(lost).toMatch(/^[0-9a-f]{32}$/);
    expect(again).toBe(lost);
    expect(another).not.toBe(lost);
  });

  it('asks anew once anything else was done, or time went by, and not where a proxy lost the answer', async () => {
    vi.useFakeTimers({ now: 0 });
    const lost = () => Promise.reject(new TypeError('fetch failed'));
    const replies: (() => Response | Promise<Response>)[] = [
      lost,
      () => new Response(null, { status: 204 }),
      lost,
      lost,
      () => new Response('bad gateway', { status: 502 }),
      () => Response.json({ id: 'a' }),
    ];
    const { client, fetch } = answering(() => replies.shift()!());
    await failure(client.issueCredential('turtle'));
    await client.cancel('a');
    await failure(client.issueCredential('turtle'));
    vi.setSystemTime(60_000);
    await failure(client.issueCredential('turtle'));
    await failure(client.issueCredential('turtle'));
    await client.issueCredential('turtle');
    vi.useRealTimers();
    const keys = fetch.mock.calls.map(([, init]) => new Headers(init?.headers).get('idempotency-key'));
    expect(keys[1]).toBeNull();
    expect(new Set(keys.slice(2, 4)).add(keys[0]!).size).toBe(3);
    expect(keys.slice(4)).toEqual([keys[3], keys[3]]);
  });

  it('escapes what it puts into an address', async () => {
    const { client, fetch } = answering(() => new Response(null, { status: 204 }));
    await client.cancel('../admin');
    expect(String(fetch.mock.calls[0]?.[0])).toBe('/bookings/..%2Fadmin');
  });
});
