import { createSocket, type Socket as Datagrams } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

const FAR = '127.0.0.1';
/** As long as the server's, so that an answer that names it instead keeps its length. */
const NEAR = '127.0.0.2';
const CANDIDATE = new RegExp(`${FAR.replaceAll('.', '\\.')} (\\d+) typ host`, 'g');

/**
 * The way between a browser and a server on this machine's loopback, which can be cut: TCP stands still as when packets are
 * lost, datagrams are lost. The server's answers are made to name this way for media, as a router that translates addresses does.
 */
export class Line {
  private isCut = false;
  private readonly streams = new Set<Socket>();
  private readonly ways = new Map<number, MediaWay>();

  private constructor(
    private readonly server: Server,
    private readonly httpPort: number,
  ) {}

  static async to(url: string): Promise<Line> {
    const server = createServer({ pauseOnConnect: true });
    const line = new Line(server, Number(new URL(url).port));
    server.on('connection', (near) => line.join(near));
    server.listen(0, NEAR);
    await once(server, 'listening');
    return line;
  }

  get url(): string {
    return `http://${NEAR}:${(this.server.address() as AddressInfo).port}`;
  }

  cut(): void {
    this.isCut = true;
    for (const stream of this.streams) stream.pause();
  }

  mend(): void {
    this.isCut = false;
    for (const stream of this.streams) stream.resume();
  }

  close(): void {
    for (const way of this.ways.values()) way.close();
    for (const stream of this.streams) stream.destroy();
    this.server.close();
  }

  private join(near: Socket): void {
    const far = connect(this.httpPort, FAR);
    this.pass(near, far, (bytes) => bytes);
    this.pass(far, near, (bytes) => this.translated(bytes));
  }

  private pass(from: Socket, to: Socket, change: (bytes: Buffer) => Buffer): void {
    this.streams.add(from);
    from.on('data', (bytes) => to.write(change(bytes)));
    from.on('end', () => to.end());
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.streams.delete(from);
      to.destroy();
    });
    if (this.isCut) from.pause();
    else from.resume();
  }

  private translated(bytes: Buffer): Buffer {
    const text = bytes.toString('latin1').replaceAll(CANDIDATE, (_, port: string) => {
      const number = Number(port);
      if (!this.ways.has(number)) this.ways.set(number, new MediaWay(number, () => this.isCut));
      return `${NEAR} ${port} typ host`;
    });
    return Buffer.from(text, 'latin1');
  }
}

/** Datagrams to the server's media port and back, for each sender from a port of its own. */
class MediaWay {
  private readonly near = createSocket('udp4');
  private readonly far = new Map<number, Datagrams>();

  constructor(
    private readonly port: number,
    private readonly isCut: () => boolean,
  ) {
    this.near.bind(port, NEAR);
    this.near.on('message', (bytes, { port: sender, address }) => {
      const far = this.far.get(sender) ?? this.open(sender, address);
      if (!this.isCut()) far.send(bytes, this.port, FAR);
    });
  }

  private open(sender: number, address: string): Datagrams {
    const far = createSocket('udp4');
    far.on('message', (bytes) => {
      if (!this.isCut()) this.near.send(bytes, sender, address);
    });
    this.far.set(sender, far);
    return far;
  }

  close(): void {
    this.near.close();
    for (const far of this.far.values()) far.close();
  }
}
