/**
 * The API server alone: the real `k8ts server`, and upstream's beside it where its programs are, driven by the same client in turn. Each figure
 * that is compared is a median of the rounds of one run.
 */
import { join } from 'node:path';
import { closeEstate, openEstate } from '../../machine/estate.ts';
import { percentile } from '../figures.ts';
import type { ServerUnderTest } from './access.ts';
import { measureFanOut, type FanOut } from './measure-fan-out.ts';
import { listAll, load, restingMemoryMB, singleWrites } from './measure-scale.ts';
import { measureVerbs, type VerbFigures } from './measure-verbs.ts';
import { startK8ts } from './start-k8ts.ts';
import { startUpstream, upstreamPrograms } from './start-upstream.ts';

const SOME = 10_000;
const MANY = 100_000;
/** As many times as fast as upstream, or for lags so many times its time. */
const WANTED: Readonly<Record<keyof VerbFigures, number>> = {
  create: 1.5,
  get: 2,
  list: 2,
  page: 2.5,
  patch: 2,
  delete: 2,
  watchLagP50Ms: 0.5,
  watchLagP99Ms: 0.5,
};
const FAN_OUTS: readonly FanOut[] = [
  { watchers: 5_000, perConnection: 100, writesPerSecond: 5, seconds: 10 },
  { watchers: 500, perConnection: 100, writesPerSecond: 50, seconds: 10 },
  { watchers: 500, perConnection: 1, writesPerSecond: 50, seconds: 10 },
];

type Say = (text: string) => void;

/** @returns the figures by name @param say told each as soon as it is known */
export async function measureApi(rounds: number, say: Say): Promise<Record<string, unknown>> {
  const estate = openEstate('bench-api');
  const running: ServerUnderTest[] = [];
  const start = async (server: Promise<ServerUnderTest>): Promise<ServerUnderTest> => {
    running.push(await server);
    return running.at(-1) as ServerUnderTest;
  };
  try {
    const ours = await start(startK8ts(join(estate.directory, 'k8ts')));
    const programs = await upstreamPrograms();
    const theirs =
      programs === undefined ? undefined : await start(startUpstream(programs, join(estate.directory, 'upstream')));
    const verbs = await compareVerbs(ours, theirs, rounds, say);
    await theirs?.stop();
    await ours.stop();
    const fresh = await start(startK8ts(join(estate.directory, 'scale')));
    const single = await singleWrites(fresh);
    say(`single durable write, idle     p50 ${single.p50.toFixed(1)} p99 ${single.p99.toFixed(1)} ms (p99 10 wanted)`);
    const fanOut = await fanOuts(fresh, say);
    return { verbs, single, fanOut, scale: await scale(fresh, start, join(estate.directory, 'scale'), say) };
  } finally {
    for (const server of running) await server.stop();
    await closeEstate(estate);
  }
}

async function compareVerbs(
  ours: ServerUnderTest,
  theirs: ServerUnderTest | undefined,
  rounds: number,
  say: Say,
): Promise<Record<string, unknown>> {
  const found = new Map<ServerUnderTest, VerbFigures[]>();
  // Round 0 is not counted: both have just been started.
  for (let round = 0; round <= rounds; round++) {
    for (const server of theirs === undefined ? [ours] : [theirs, ours]) {
      const figures = await measureVerbs(server, `r${round}`);
      if (round > 0) found.set(server, [...(found.get(server) ?? []), figures]);
    }
  }
  if (theirs === undefined)
    say('upstream is not measured: CONFORMANCE_DIR has no bin/kube-apiserver, or there is no etcd');
  const figures: Record<string, unknown> = {};
  for (const name of Object.keys(WANTED) as (keyof VerbFigures)[]) {
    const median = (server: ServerUnderTest): number =>
      percentile(
        (found.get(server) ?? []).map(f => f[name]),
        50,
      );
    const [own, other] = [median(ours), theirs === undefined ? undefined : median(theirs)];
    const ratio = other === undefined ? undefined : own / other;
    figures[name] = { k8ts: own, upstream: other, ratio, wanted: WANTED[name] };
    const unit = name.endsWith('Ms') ? 'ms' : '/s';
    const against =
      ratio === undefined ? '' : `, upstream ${other} ${unit}: ${ratio.toFixed(2)}x (${WANTED[name]}x wanted)`;
    say(`${name.padEnd(30)} ${own} ${unit}${against}`);
  }
  return figures;
}

async function fanOuts(server: ServerUnderTest, say: Say): Promise<unknown[]> {
  const figures: unknown[] = [];
  for (const fanOut of FAN_OUTS) {
    const { delivered, of, lagMs } = await measureFanOut(server, fanOut);
    figures.push({ ...fanOut, delivered, of, lagMs });
    const { watchers, writesPerSecond, perConnection } = fanOut;
    const about = `${watchers} watchers, ${writesPerSecond} writes/s, ${perConnection === 1 ? 'HTTP/1.1' : 'HTTP/2'}`;
    say(`${about}: ${delivered} of ${of} delivered, p50 ${lagMs.p50} p99 ${lagMs.p99} ms (all, p99 1,000 wanted)`);
  }
  return figures;
}

/** @param first a server on `directory`, started before; another one is started there once there is much to load */
async function scale(
  first: ServerUnderTest,
  start: (server: Promise<ServerUnderTest>) => Promise<ServerUnderTest>,
  directory: string,
  say: Say,
): Promise<Record<string, unknown>> {
  await first.stop();
  const loaded = await start(startK8ts(directory));
  const emptyMB = await restingMemoryMB(loaded);
  await load(loaded, 'scale', 0, SOME);
  const someMB = await restingMemoryMB(loaded);
  say(`memory at rest, no objects     ${emptyMB.toFixed(0)} MB`);
  say(`memory with 10,000 objects     ${someMB.toFixed(0)} MB (150 wanted)`);
  await load(loaded, 'scale', SOME, MANY);
  const manyMB = await restingMemoryMB(loaded);
  say(`memory with 100,000 objects    ${manyMB.toFixed(0)} MB`);
  await loaded.stop();
  const begin = performance.now();
  const again = await start(startK8ts(directory));
  await load(again, 'first', 0, 1);
  const startMs = performance.now() - begin;
  say(`start with 100,000 objects     ${startMs.toFixed(0)} ms to the first write (5,000 wanted)`);
  await restingMemoryMB(again);
  const list = await listAll(again);
  say(
    `LIST of 100,000                ${list.megabytes.toFixed(0)} MB in ${list.ms.toFixed(0)} ms, ${list.extraMB.toFixed(0)} MB of memory more`,
  );
  return { emptyMB, someMB, manyMB, startMs, list };
}
