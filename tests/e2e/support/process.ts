import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
const BINARY = resolve(process.env['CURFEW_BIN'] ?? join(ROOT, 'target/debug/curfew'));
export const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 10_000;

/** Starts `curfew`. A worker that is given up after a failure may not come to end it: then it goes with the worker. */
export function start(args: readonly string[], stdio: StdioOptions, env: Readonly<Record<string, string>> = {}): ChildProcess {
  const child = spawn(BINARY, args, { stdio, env: { ...process.env, ...env } });
  const leaveNothing = () => child.kill('SIGKILL');
  process.once('exit', leaveNothing);
  child.once('exit', () => process.removeListener('exit', leaveNothing));
  return child;
}

/** Ends a process that was started here, and waits until it is gone. */
export async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  const hard = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
  await exited;
  clearTimeout(hard);
}
