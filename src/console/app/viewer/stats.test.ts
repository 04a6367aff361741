import { describe, expect, it } from 'vitest';
import { StatsReader } from './stats.js';

const report = (...entries: object[]) => new Map(entries.map((entry, index) => [String(index), entry])) as unknown as RTCStatsReport;

const camera = (at: number, bytes: number, received: number, lost: number) => ({
  id: 'in-1',
  type: 'inbound-rtp',
  kind: 'video',
  mid: '0',
  timestamp: at,
  bytesReceived: bytes,
  packetsReceived: received,
  packetsLost: lost,
  frameWidth: 640,
  frameHeight: 480,
  framesPerSecond: 30,
  freezeCount: 2,
  totalFreezesDuration: 0.5,
  codecId: 'c',
});

describe('statistics', () => {
  it('are rates from one reading to the next', () => {
    const reader = new StatsReader();
    const first = reader.read(report(camera(1000, 1000, 10, 0)), ['0']).cameras[0];
    expect(first).toMatchObject({ bitrate: null, loss: null, width: 640, freezes: 2, frozenMs: 500 });
    const second = reader.read(report(camera(3000, 251_000, 100, 10)), ['0']).cameras[0];
    expect(second?.bitrate).toBe(1_000_000);
    expect(second?.loss).toBe(0.1);
  });

  it('begin anew when the counters do', () => {
    const reader = new StatsReader();
    reader.read(report(camera(1000, 9000, 10, 0)), ['0']);
    expect(reader.read(report(camera(2000, 100, 1, 0)), ['0']).cameras[0]?.bitrate).toBeNull();
  });

  it('are of each camera, and say nothing of one that does not send', () => {
    const { cameras } = new StatsReader().read(report(camera(1000, 1, 1, 0)), ['1', '0', null]);
    expect(cameras.map(({ width }) => width)).toEqual([null, 640, null]);
  });

  it('name the codec and the round trip of the pair in use', () => {
    const { cameras, roundTripMs } = new StatsReader().read(
      report(
        camera(1000, 1, 1, 0),
        { id: 'c', type: 'codec', mimeType: 'video/H264' },
        { id: 'p', type: 'candidate-pair', state: 'succeeded', nominated: false, currentRoundTripTime: 9 },
        { id: 'q', type: 'candidate-pair', state: 'succeeded', nominated: true, currentRoundTripTime: 0.012 },
      ),
      ['0'],
    );
    expect(cameras[0]?.codec).toBe('H264');
    expect(roundTripMs).toBe(12);
  });
});
