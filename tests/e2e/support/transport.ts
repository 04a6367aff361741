import type { Page } from '@playwright/test';

/** What `window` keeps for a test that looks at the way a page's media takes. */
declare global {
  interface Window {
    peers: RTCPeerConnection[];
  }
}

/**
 * Takes the UDP candidates out of every answer that the page gets, as if its network let no UDP through, and keeps the
 * page's peer connections. Call before the first `goto`.
 */
export async function withoutUdp(page: Page): Promise<void> {
  await page.addInitScript(() => {
    window.peers = [];
    const { setRemoteDescription } = RTCPeerConnection.prototype;
    RTCPeerConnection.prototype.setRemoteDescription = async function ({ type, sdp }: RTCSessionDescriptionInit) {
      window.peers.push(this);
      const rest = (sdp ?? '').replace(/^a=candidate:\S+ 1 udp .*\r\n/gm, '');
      return Reflect.apply(setRemoteDescription, this, [{ type, sdp: rest }]);
    };
  });
}

/** The protocols of the pairs that the page's peer connections have selected, and the tcp type of their far ends. */
export async function selected(page: Page): Promise<{ protocol: string; tcpType: string | undefined }[]> {
  return page.evaluate(async () => {
    const found = [];
    for (const peer of window.peers) {
      const reports = await peer.getStats();
      const all = [...reports.values()] as Record<string, string>[];
      const transport = all.find(({ type }) => type === 'transport');
      const pair = reports.get(transport?.['selectedCandidatePairId'] ?? '') as Record<string, string> | undefined;
      const [local, remote] = ['localCandidateId', 'remoteCandidateId'].map(
        (end) => reports.get(pair?.[end] ?? '') as Record<string, string> | undefined,
      );
      found.push({ protocol: `${local?.['protocol']}`, tcpType: remote?.['tcpType'] });
    }
    return found;
  });
}
