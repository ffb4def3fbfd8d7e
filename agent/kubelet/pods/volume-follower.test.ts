import { expect, test } from '@jest/globals';
import { FakeClock } from '../../../machinery/process/clock.ts';
import { silentLogger } from '../../../machinery/process/logger.ts';
import { newRecord } from './pod-record.ts';
import { VolumeFollower } from './volume-follower.ts';

function setup() {
  const clock = new FakeClock();
  const prepared: string[] = [];
  const fail = new Set<string>();
  const volumes = {
    prepare: (pod: { metadata: { uid?: string | undefined } }, signal: AbortSignal) => {
      signal.throwIfAborted();
      const { uid = '' } = pod.metadata;
      prepared.push(uid);
      return fail.has(uid) ? Promise.reject(new Error('no')) : Promise.resolve(new Map());
    },
  };
  return { clock, prepared, fail, follower: new VolumeFollower({ volumes, clock, logger: silentLogger }) };
}

function record(uid: string, volumes = [{ name: 'v', emptyDir: {} }]) {
  return newRecord(uid, { metadata: { name: uid, uid }, spec: { containers: [], volumes } });
}

test('VolumeFollower takes the volumes of a pod up once, and again after a failure', async () => {
  const { clock, prepared, fail, follower } = setup();
  const [ok, bad, none] = [record('ok'), record('bad'), record('none', [])];
  fail.add('bad');
  for (const each of [ok, bad, none, ok, bad]) follower.follow(each);
  await clock.advance(0);
  expect(prepared).toEqual(['ok', 'bad']);
  fail.clear();
  await clock.advance(60_000);
  await clock.advance(60_000);
  expect(prepared).toEqual(['ok', 'bad', 'bad']);
});

test('VolumeFollower takes nothing up once the pod has ended', async () => {
  const { clock, prepared, fail, follower } = setup();
  const ended = record('ended');
  fail.add('ended');
  follower.follow(ended);
  await clock.advance(0);
  ended.following?.abort();
  await clock.advance(120_000);
  expect(prepared).toEqual(['ended']);
});
