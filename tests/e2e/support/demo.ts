import type { ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { watch } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { end, start, START_LIMIT_MS } from './process.js';

export interface Account {
  role: 'admin' | 'viewer' | 'auditor';
  id: string;
  email: string;
  password: string;
}

/** What `curfew demo --json` writes. */
export interface DemoFacts {
  url: string;
  accounts: Account[];
  robots: { id: string; type: string }[];
  booking: { id: string; room_id: string; robot_id: string; starts_at: string; ends_at: string };
}

/** One running `curfew demo` with its own data folder; both are gone after `stop`. */
export class Demo {
  private constructor(
    private process: ChildProcess,
    private readonly folder: string,
    readonly facts: DemoFacts,
  ) {}

  /** @param address this machine's, for the one port of HTTP and the one of media, each a free one */
  static async start(minutes: number, address = '127.0.0.1'): Promise<Demo> {
    const folder = await mkdtemp(join(tmpdir(), 'curfew-e2e-'));
    const { child, facts } = await launch(folder, minutes, `${address}:0`);
    return new Demo(child, folder, facts);
  }

  get endsAt(): number {
    return Date.parse(this.facts.booking.ends_at);
  }

  account(role: Account['role']): Account {
    const found = this.facts.accounts.find((account) => account.role === role);
    if (found === undefined) throw new Error(`the demo has no ${role}`);
    return found;
  }

  /** Kills the process as a crash does. */
  async crash(): Promise<void> {
    await end(this.process, 'SIGKILL');
  }

  /** Kills the process as a crash does, and starts it again on the same folder and address. Answers when it was started. */
  async crashAndRestart(): Promise<number> {
    await this.crash();
    return this.restart();
  }

  /** Starts the process again on the same folder and address. Answers when it was started. */
  async restart(): Promise<number> {
    const startedAt = Date.now();
    const { child } = await launch(this.folder, 5, new URL(this.facts.url).host);
    this.process = child;
    return startedAt;
  }

  /** Starts a robot beside the demo's own, with the credential and one drawn camera for each name. */
  async robot(token: string, cameras: readonly string[]): Promise<{ stop: () => Promise<void>; crash: () => Promise<void> }> {
    const file = join(this.folder, 'robot.token');
    await writeFile(file, token, { mode: 0o600 });
    const sources = cameras.flatMap((camera) => ['--source', `${camera}=test`]);
    const child = start(['robot', '--server', this.facts.url, '--token-file', file, ...sources], 'ignore');
    return { stop: () => end(child, 'SIGTERM'), crash: () => end(child, 'SIGKILL') };
  }

  async stop(): Promise<void> {
    await end(this.process, 'SIGTERM');
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** An address of this machine that is not its loopback: Firefox finds no path to that one. */
export function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const found = all.find(({ family, internal }) => family === 'IPv4' && !internal);
  if (found === undefined) throw new Error('this machine has no IPv4 address but its loopback');
  return found.address;
}

async function launch(folder: string, minutes: number, listen: string): Promise<{ child: ChildProcess; facts: DemoFacts }> {
  const facts = join(folder, 'demo.json');
  await rm(facts, { force: true });
  const args = ['demo', '--minutes', String(minutes), '--listen', listen, '--data', join(folder, 'data'), '--json', facts];
  const child = start(args, ['ignore', 'ignore', 'pipe']);
  const log: string[] = [];
  child.stderr?.setEncoding('utf8').on('data', (text: string) => log.push(text));
  try {
    return { child, facts: await written(folder, facts, child) };
  } catch (thrown) {
    await end(child, 'SIGKILL');
    throw new Error(`the demo did not start: ${String(thrown)}\n${log.join('').slice(-4000)}`);
  }
}

/** Waits for the file of facts to be there in full. */
async function written(folder: string, file: string, child: ChildProcess): Promise<DemoFacts> {
  const limit = AbortSignal.timeout(START_LIMIT_MS);
  const gone = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`it exited with ${code}`)));
    limit.addEventListener('abort', () => reject(new Error(`nothing written in ${START_LIMIT_MS} ms`)));
  });
  const found = new Promise<DemoFacts>((resolveFacts) => {
    const look = async () => {
      const text = await readFile(file, 'utf8').catch(() => '');
      try {
        resolveFacts(JSON.parse(text) as DemoFacts);
        watcher.close();
      } catch {
        // Not there yet, or half written: the next change of the folder says more.
      }
    };
    const watcher = watch(folder, { signal: limit }, () => void look());
    watcher.on('error', () => undefined);
    void look();
  });
  return Promise.race([found, gone]);
}
