/**
 * The scheduler: pods from create to bound on 200 made-up nodes, beside upstream's in turn; throughput on 5,000; a Deployment scaled up. `scale` is the
 * cluster of 50,000 pods, which takes long and is asked for by itself.
 */
import { join } from 'node:path';
import { closeEstate, openEstate } from '../../machine/estate.ts';
import type { ServerUnderTest } from '../api/access.ts';
import { startK8ts } from '../api/start-k8ts.ts';
import { startUpstream, upstreamPrograms } from '../api/start-upstream.ts';
import { percentile } from '../figures.ts';
import { CASES } from './cases.ts';
import { measureCreateToBound, type CreateToBoundFigures } from './create-to-bound.ts';
import { makeNodes } from './objects.ts';
import { measureScaleUp } from './scale-up.ts';
import { measureThroughput, type ThroughputFigures, type ThroughputSize } from './throughput.ts';

const NODES = 200;
const PODS = 2_000;
const REPLICAS = 1_000;
const SIZE: Omit<ThroughputSize, 'measured'> = { nodes: 5_000, bound: 10_000 };

type Say = (text: string) => void;

/** @param measured pods of a case of the throughput; 0 leaves it out @param only the case of that name alone; all if '' */
export async function measureScheduling(
  rounds: number,
  measured: number,
  only: string,
  say: Say,
): Promise<Record<string, unknown>> {
  const estate = openEstate('bench-sched');
  try {
    const createToBound = await compareCreateToBound(rounds, estate.directory, say);
    const server = await startK8ts(join(estate.directory, 'scale-up'));
    const scaleUp = await measureScaleUp(server, NODES, REPLICAS).finally(() => server.stop());
    say(
      `Deployment from 0 to ${REPLICAS} pods     created ${scaleUp.createdMs}, bound ${scaleUp.boundMs} (5,000 wanted), ready ${scaleUp.readyMs} ms; ${scaleUp.cpuMs} ms of CPU`,
    );
    const throughput: Record<string, ThroughputFigures> = {};
    for (const which of CASES) {
      if (measured === 0 || (only !== '' && only !== which.name)) continue;
      const directory = join(estate.directory, which.name.replaceAll(' ', '-'));
      const figures = await measureThroughput(which, { ...SIZE, measured }, directory);
      throughput[which.name] = figures;
      const aims = `upstream's floor ${which.floor ?? 'none'}, ${which.wanted ?? 'nothing'} wanted`;
      say(
        `5,000 nodes, ${which.name.padEnd(23)} ${figures.podsPerSecond.toFixed(0)} pods/s over ${figures.pods} pods (${aims}); memory ${figures.memoryMB.toFixed(0)} MB`,
      );
    }
    return { createToBound, scaleUp, throughput };
  } finally {
    await closeEstate(estate);
  }
}

async function compareCreateToBound(rounds: number, directory: string, say: Say): Promise<Record<string, unknown>> {
  const found = new Map<string, CreateToBoundFigures[]>();
  const running: ServerUnderTest[] = [];
  try {
    const programs = await upstreamPrograms();
    if (programs === undefined) say('upstream is not measured: CONFORMANCE_DIR has no bin/kube-scheduler');
    else running.push(await startUpstream(programs, join(directory, 'upstream'), true));
    running.push(await startK8ts(join(directory, 'k8ts')));
    for (const { access } of running) await makeNodes(access, NODES);
    // Round 0 is not counted: both have just been started.
    for (let round = 0; round <= rounds; round++) {
      for (const server of running) {
        const figures = await alone(server, running, () => measureCreateToBound(server, `r${round}`, PODS));
        if (round > 0) found.set(server.name, [...(found.get(server.name) ?? []), figures]);
      }
    }
  } finally {
    for (const server of running) await server.stop();
  }
  const figures = Object.fromEntries([...found].map(([name, all]) => [name, medians(all)]));
  for (const [name, { podsPerSecond, p50, p99 }] of Object.entries(figures))
    say(
      `create to bound, ${NODES} nodes, ${name.padEnd(9)} ${podsPerSecond.toFixed(0)} pods/s, p50 ${p50}, p99 ${p99} ms`,
    );
  const [ours, theirs] = [figures['k8ts'], figures['upstream']];
  if (ours !== undefined && theirs !== undefined)
    say(
      `create to bound, k8ts          ${(ours.podsPerSecond / theirs.podsPerSecond).toFixed(1)}x upstream (3x, p99 500 ms wanted)`,
    );
  return figures;
}

/** While the others stand still: what they still have to do of their own round is theirs. */
async function alone<T>(
  server: ServerUnderTest,
  all: readonly ServerUnderTest[],
  measure: () => Promise<T>,
): Promise<T> {
  const signal = (name: 'SIGSTOP' | 'SIGCONT'): void => {
    for (const other of all) if (other !== server) for (const pid of other.pids) process.kill(pid, name);
  };
  signal('SIGSTOP');
  try {
    return await measure();
  } finally {
    signal('SIGCONT');
  }
}

function medians(all: readonly CreateToBoundFigures[]): { podsPerSecond: number; p50: number; p99: number } {
  const of = (value: (figures: CreateToBoundFigures) => number): number => percentile(all.map(value), 50);
  return {
    podsPerSecond: of(f => f.podsPerSecond),
    p50: of(f => f.latency.p50),
    p99: of(f => f.latency.p99),
  };
}
