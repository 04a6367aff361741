import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { end, start, START_LIMIT_MS } from './process.js';

/** One running `curfew serve` on a data folder of its own, in which nobody has an account yet; both are gone after `stop`. */
export class Lab {
  private constructor(
    private readonly process: ChildProcess,
    private readonly folder: string,
    readonly facts: { url: string },
    /** What the server prints for whoever is to become its first administrator. */
    readonly firstAdminLink: string,
  ) {}

  /** @param env configuration, as an operator gives it */
  static async start(env: Readonly<Record<string, string>> = {}): Promise<Lab> {
    const folder = await mkdtemp(join(tmpdir(), 'curfew-e2e-'));
    const args = ['serve', '--listen', '127.0.0.1:0', '--data', join(folder, 'data')];
    const child = start(args, ['ignore', 'pipe', 'ignore'], { CURFEW_MEDIA__LISTEN: '127.0.0.1:0', ...env });
    const late = setTimeout(() => child.kill('SIGKILL'), START_LIMIT_MS);
    try {
      let url: string | undefined;
      for await (const line of createInterface({ input: child.stdout! })) {
        url ??= /^Serving on (\S+)/.exec(line)?.[1];
        const link = /\S+\/#\/redeem\/\S+/.exec(line)?.[0];
        if (url !== undefined && link !== undefined) return new Lab(child, folder, { url }, link);
      }
      throw new Error(`curfew serve did not start: ${child.exitCode ?? child.signalCode}`);
    } catch (thrown) {
      await end(child, 'SIGKILL');
      throw thrown;
    } finally {
      clearTimeout(late);
    }
  }

  async stop(): Promise<void> {
    await end(this.process, 'SIGTERM');
    await rm(this.folder, { recursive: true, force: true });
  }
}
