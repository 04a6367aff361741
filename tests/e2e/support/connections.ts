import type { Page } from '@playwright/test';

/** What became of one of the page's peer connections. */
export interface Connection {
  state: string;
  /** The ICE user fragments of its own offers, in order: another one is a restart. */
  fragments: string[];
  /** Bytes that came, over all its paths. */
  received: number;
  /** Of the sound that was played, as webrtc-stats counts it: 0 while it is silent. */
  audioEnergy: number;
}

interface Watched extends Window {
  curfewConnections?: { pc: RTCPeerConnection; fragments: string[] }[];
}

/** Begins to note every peer connection that the page makes. Call before the first `goto`. */
export async function watchConnections(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const all: { pc: RTCPeerConnection; fragments: string[] }[] = ((window as Watched).curfewConnections = []);
    const Original = RTCPeerConnection;
    window.RTCPeerConnection = class extends Original {
      readonly #fragments: string[] = [];

      constructor(config?: RTCConfiguration) {
        super(config);
        all.push({ pc: this, fragments: this.#fragments });
      }

      override async setLocalDescription(description?: RTCLocalSessionDescriptionInit): Promise<void> {
        await super.setLocalDescription(description);
        const fragment = /a=ice-ufrag:(\S+)/.exec(this.localDescription?.sdp ?? '')?.[1];
        if (fragment !== undefined && this.#fragments.at(-1) !== fragment) this.#fragments.push(fragment);
      }
    } as typeof RTCPeerConnection;
  });
}

export async function connections(page: Page): Promise<Connection[]> {
  return page.evaluate(() =>
    Promise.all(
      ((window as Watched).curfewConnections ?? []).map(async ({ pc, fragments }) => {
        let [received, audioEnergy] = [0, 0];
        const report = (await pc.getStats()) as unknown as Map<string, { type: string; bytesReceived?: number; totalAudioEnergy?: number }>;
        for (const { type, bytesReceived, totalAudioEnergy } of report.values()) {
          if (type === 'transport') received += bytesReceived ?? 0;
          if (type === 'inbound-rtp') audioEnergy += totalAudioEnergy ?? 0;
        }
        return { state: pc.connectionState, fragments: [...fragments], received, audioEnergy };
      }),
    ),
  );
}
