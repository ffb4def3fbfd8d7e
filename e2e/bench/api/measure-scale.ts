/** What many objects cost: memory, start, and one LIST of all of them; and what a single durable write takes. */
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { pssBytes } from '../../machine/processes.ts';
import { percentile } from '../figures.ts';
import type { ServerUnderTest } from './access.ts';
import { CONFIG_MAPS, configMap, onEach } from './config-maps.ts';
import { RawConnection } from './raw-connection.ts';

const CONNECTIONS = 32;
const SETTLE_MS = 5_000;
const SINGLE_WRITES = 200;
const LISTS = 3;
const MB = 1e6;

/** Creates `bench-<prefix>-<from>` to `bench-<prefix>-<to - 1>`. */
export async function load({ access }: ServerUnderTest, prefix: string, from: number, to: number): Promise<void> {
  const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => RawConnection.open(access)));
  await onEach(connections, to - from, (c, i) => c.call('POST', CONFIG_MAPS, configMap(`bench-${prefix}-${from + i}`)));
  for (const connection of connections) connection.close();
}

/** Proportional memory of all its processes after a moment of rest, MB. */
export async function restingMemoryMB({ pids }: ServerUnderTest): Promise<number> {
  await sleep(SETTLE_MS);
  return pids.reduce((sum, pid) => sum + pssBytes(pid), 0) / MB;
}

/** Writes one after the other on an idle server: milliseconds of each. */
export async function singleWrites({ access }: ServerUnderTest): Promise<{ p50: number; p99: number }> {
  const connection = await RawConnection.open(access);
  const times: number[] = [];
  for (let i = 0; i < SINGLE_WRITES; i++) {
    const body = configMap(`bench-single-${i}`);
    const begin = performance.now();
    await connection.call('POST', CONFIG_MAPS, body);
    times.push(performance.now() - begin);
    await sleep(5);
  }
  for (let i = 0; i < SINGLE_WRITES; i++) await connection.call('DELETE', `${CONFIG_MAPS}/bench-single-${i}`);
  connection.close();
  return { p50: percentile(times, 50), p99: percentile(times, 99) };
}

export interface ListFigures {
  /** Bytes of the answer, MB. */
  readonly megabytes: number;
  readonly ms: number;
  /** How far the resident memory rose above what it was before, MB. */
  readonly extraMB: number;
}

/** Lists everything a few times, one after the other. */
export async function listAll({ access, pids }: ServerUnderTest): Promise<ListFigures> {
  const [pid = 0] = pids;
  const connection = await RawConnection.open(access);
  // The first list of all loads what it needs.
  await connection.call('GET', `${CONFIG_MAPS}?limit=1`);
  // Sets the high-water mark to what is resident now.
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
  const before = highWaterBytes(pid);
  const times: number[] = [];
  let bytes = 0;
  for (let i = 0; i < LISTS; i++) {
    const begin = performance.now();
    bytes = await connection.call('GET', `${CONFIG_MAPS}?resourceVersion=0`);
    times.push(performance.now() - begin);
  }
  connection.close();
  return { megabytes: bytes / MB, ms: percentile(times, 50), extraMB: (highWaterBytes(pid) - before) / MB };
}

function highWaterBytes(pid: number): number {
  return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? NaN) * 1024;
}
