/** What a process takes while nobody asks it for anything. */
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuMs, pssBytes } from '../machine/processes.ts';

export interface Rest {
  /** Proportional. */
  readonly memoryMB: number;
  /** Of one core. */
  readonly cpuPercent: number;
}

/** @param settleMs how long what went before may still be at work; @param windowMs over which CPU is measured */
export async function measureRest(pid: number | undefined, settleMs: number, windowMs: number): Promise<Rest> {
  if (pid === undefined) throw new Error('k8ts does not run');
  await sleep(settleMs);
  const [begin, before] = [performance.now(), cpuMs(pid)];
  await sleep(windowMs);
  const cpuPercent = ((cpuMs(pid) - before) / (performance.now() - begin)) * 100;
  return { memoryMB: pssBytes(pid) / 1e6, cpuPercent };
}
