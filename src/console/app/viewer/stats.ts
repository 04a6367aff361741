/** What a connection's statistics say to a person. Null where the browser does not say. */
export interface Reading {
  cameras: CameraReading[];
  roundTripMs: number | null;
}

export interface CameraReading {
  /** Bits per second since the reading before. */
  bitrate: number | null;
  /** Share of the packets since the reading before that were lost, 0 to 1. */
  loss: number | null;
  framesPerSecond: number | null;
  width: number | null;
  height: number | null;
  /** Times that the picture stood still, and for how long in all. */
  freezes: number | null;
  frozenMs: number | null;
  /** Such as `H264`. */
  codec: string | null;
}

type Report = Pick<RTCStatsReport, 'forEach'>;

interface Entry {
  id: string;
  type: string;
  timestamp: number;
  [member: string]: unknown;
}

/** The counters of one camera that differences are taken of. */
interface Counters {
  at: number;
  bytes: number;
  received: number;
  lost: number;
}

/** Turns the browser's counters (W3C webrtc-stats) into rates, from one reading to the next. */
export class StatsReader {
  readonly #before = new Map<string, Counters>();

  /** @param cameras the m-line ids of the cameras, in order */
  read(report: Report, cameras: readonly (string | null)[]): Reading {
    const entries: Entry[] = [];
    report.forEach((entry: Entry) => entries.push(entry));
    const byId = new Map(entries.map((entry) => [entry.id, entry]));
    const inbound = entries.filter(({ type, ['kind']: kind }) => type === 'inbound-rtp' && kind === 'video');
    return {
      cameras: cameras.map((mid) => this.#camera(inbound.find((entry) => mid !== null && entry['mid'] === mid), byId)),
      roundTripMs: roundTrip(entries),
    };
  }

  #camera(entry: Entry | undefined, byId: ReadonlyMap<string, Entry>): CameraReading {
    const of = (member: string) => number(entry?.[member]);
    const codec = byId.get(String(entry?.['codecId']))?.['mimeType'];
    const frozen = of('totalFreezesDuration');
    return {
      ...this.#rates(entry),
      framesPerSecond: of('framesPerSecond'),
      width: of('frameWidth'),
      height: of('frameHeight'),
      freezes: of('freezeCount'),
      frozenMs: frozen === null ? null : frozen * 1000,
      codec: typeof codec === 'string' ? codec.replace(/^video\//, '') : null,
    };
  }

  #rates(entry: Entry | undefined): Pick<CameraReading, 'bitrate' | 'loss'> {
    if (entry === undefined) return { bitrate: null, loss: null };
    const of = (member: string) => number(entry[member]) ?? 0;
    const now = { at: entry.timestamp, bytes: of('bytesReceived'), received: of('packetsReceived'), lost: of('packetsLost') };
    const before = this.#before.get(entry.id);
    this.#before.set(entry.id, now);
    if (before === undefined || now.at <= before.at || now.bytes < before.bytes) return { bitrate: null, loss: null };
    const lost = Math.max(0, now.lost - before.lost);
    const expected = lost + Math.max(0, now.received - before.received);
    return {
      bitrate: ((now.bytes - before.bytes) * 8000) / (now.at - before.at),
      loss: expected === 0 ? null : lost / expected,
    };
  }
}

function roundTrip(entries: readonly Entry[]): number | null {
  const pairs = entries.filter(({ type }) => type === 'candidate-pair');
  const chosen = pairs.find((pair) => pair['nominated'] === true && pair['state'] === 'succeeded');
  const seconds = number(chosen?.['currentRoundTripTime']);
  return seconds === null ? null : seconds * 1000;
}

function number(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
