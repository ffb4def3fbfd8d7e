/** Made-up nodes beside a server under test, in a process of their own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const TREE = fileURLToPath(new URL('../../..', import.meta.url));
const MAIN = fileURLToPath(new URL('../../pretend-nodes/main.ts', import.meta.url));

export interface Pretended {
  readonly pid: number;
  /** Ends it. @returns what it did */
  stop(): Promise<Readonly<Record<string, number>>>;
}

/** Resolves once all nodes are registered. @throws Error with what it said, if it ends before */
export async function pretendNodes(
  kubeconfig: string,
  nodes: number,
  options: readonly string[] = [],
): Promise<Pretended> {
  const args = ['--kubeconfig', kubeconfig, '--nodes', String(nodes), '--output', 'json', ...options];
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN, ...args], {
    cwd: TREE,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  let summary: Readonly<Record<string, number>> = {};
  await new Promise<void>((resolve, reject) => {
    createInterface(child.stdout).on('line', line => {
      const { event, ...data } = JSON.parse(line) as { event: string } & Record<string, number>;
      if (event === 'ready') resolve();
      else summary = data;
    });
    void ended.then(() => reject(new Error('the made-up nodes ended before they were registered')));
  });
  return {
    pid: child.pid ?? 0,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      await ended;
      return summary;
    },
  };
}
