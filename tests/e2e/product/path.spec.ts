import { expect, test } from '@playwright/test';
import { signedIn } from '../support/console.js';
import { Demo } from '../support/demo.js';

let demo: Demo;
test.beforeAll(async () => {
  demo = await Demo.start(5);
});
test.afterAll(() => demo?.stop());

/** What the server says of how a viewer is served. */
interface Served {
  packets: number;
  bitrate_bps: number;
  lost: number;
  loss_permille: number;
  round_trip_ms: number | null;
  freezes: number;
}

interface Watching extends Window {
  watched?: RTCPeerConnection;
}

test('a browser restarts ICE in the connection it has, and the server tells how it is served', async ({ page }) => {
  await signedIn(page, demo, 'viewer');
  await page.goto(`${demo.facts.url}/#/bookings`);

  /** Offers what the connection is to be, and takes the answer; which peer the server says it is. */
  const negotiate = async (iceRestart: boolean): Promise<string> =>
    page.evaluate(
      async ([robot, restart]) => {
        const pc = ((window as Watching).watched ??= new RTCPeerConnection());
        if (pc.getTransceivers().length === 0) {
          const { receiver } = pc.addTransceiver('video', { direction: 'recvonly' });
          const video = Object.assign(document.createElement('video'), { muted: true, autoplay: true });
          video.srcObject = new MediaStream([receiver.track]);
          document.body.append(video);
        }
        await pc.setLocalDescription(await pc.createOffer({ iceRestart: restart }));
        const { token } = JSON.parse(sessionStorage.getItem('curfew.sign-in') ?? '{}') as { token: string };
        const reply = await fetch('/webrtc/offer', {
          method: 'POST',
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
          body: JSON.stringify({ robot_id: robot, sdp: pc.localDescription!.sdp, type: 'offer' }),
        });
        const { peer_id, sdp } = (await reply.json()) as { peer_id: string; sdp: string };
        await pc.setRemoteDescription({ type: 'answer', sdp });
        return peer_id;
      },
      [demo.facts.booking.robot_id, iceRestart] as const,
    );

  /** The frames decoded so far, and the ICE name under which the path in use was proven. */
  const seen = async (): Promise<{ frames: number; lost: number; name: string; state: string }> =>
    page.evaluate(async () => {
      const pc = (window as Watching).watched!;
      const found = { frames: 0, lost: 0, name: '', state: pc.connectionState };
      for (const [, entry] of (await pc.getStats()) as unknown as Map<string, Record<string, unknown>>) {
        if (entry['type'] === 'inbound-rtp') {
          found.frames = Number(entry['framesDecoded'] ?? 0);
          found.lost = Number(entry['packetsLost'] ?? 0);
        }
        if (entry['type'] === 'transport') found.name = String(entry['iceLocalUsernameFragment']);
      }
      return found;
    });

  const served = async (peer: string): Promise<Served> =>
    page.evaluate(async (id) => {
      const { token } = JSON.parse(sessionStorage.getItem('curfew.sign-in') ?? '{}') as { token: string };
      const reply = await fetch(`/webrtc/peers/${id}/stats`, { headers: { authorization: `Bearer ${token}` } });
      return reply.json() as Promise<Served>;
    }, peer);

  const peer = await negotiate(false);
  await expect.poll(async () => (await seen()).frames).toBeGreaterThan(30);
  // The browser reports once a second; its first report that refers to one of the server's gives the round trip.
  await expect.poll(async () => (await served(peer)).round_trip_ms).not.toBeNull();
  const before = await seen();
  const told = await served(peer);
  expect(told.packets).toBeGreaterThan(before.frames);
  expect(told.bitrate_bps).toBeGreaterThan(50_000);
  expect(told.bitrate_bps).toBeLessThan(5_000_000);
  expect(told.round_trip_ms, 'in milliseconds').toBeLessThan(10_000);
  expect(told.lost).toBeGreaterThanOrEqual(0);
  expect(told.loss_permille).toBeLessThanOrEqual(1_000);

  expect(await negotiate(true)).toBe(peer);
  await expect.poll(async () => (await seen()).name).not.toBe(before.name);
  const restarted = await seen();
  expect(restarted.state).toBe('connected');
  await expect.poll(async () => (await seen()).frames).toBeGreaterThan(restarted.frames + 30);
  expect((await served(peer)).packets).toBeGreaterThan(told.packets);
});
