/** Whatever happens, an ended Job goes when its time is over and not before, others stay, and then nothing is called. */
import { expect, test } from '@jest/globals';
import type { Job } from '../../../proto/api/batch-v1.ts';
import { jobs } from '../../../machinery/client/resource.ts';
import { formatTime } from '../../../machinery/meta/time.ts';
import { PROPERTY_TIMEOUT_MS, provesRest, type Moves } from '../testdata/histories.ts';
import { done } from '../testdata/pretend-nodes.ts';
import { World } from '../testdata/world.ts';
import { TtlAfterFinishedController } from './ttl-after-finished-controller.ts';

const { namespace } = World;
const refOf = (n: number): { namespace: string; name: string } => ({ namespace, name: `j${n % 3}` });

function job(n: number): Job {
  const template = { spec: { containers: [{ name: 'c', image: 'x' }], restartPolicy: 'Never' } };
  const ttl = n % 2 === 0 ? {} : { ttlSecondsAfterFinished: n };
  return { metadata: refOf(n), spec: { template, ...ttl } };
}

const moves: Moves = {
  made: ({ admin }, n) => done(admin.of(jobs).create(job(n))),
  ended: async ({ admin, clock }, n) => {
    const now = formatTime(clock.now());
    const conditions = [{ type: n % 2 === 0 ? 'Complete' : 'Failed', status: 'True', lastTransitionTime: now }];
    const times = { startTime: now, ...(n % 2 === 0 ? { completionTime: now } : {}) };
    const patch = { status: { conditions, ...times } };
    await done(admin.of(jobs).patch(refOf(n), patch, { type: 'merge', subresource: 'status' }));
  },
  hasTime: ({ admin }, n) =>
    done(
      admin.of(jobs).patch(refOf(n), { spec: { ttlSecondsAfterFinished: n % 4 === 0 ? null : n } }, { type: 'merge' }),
    ),
  removed: ({ admin }, n) => done(admin.of(jobs).delete(refOf(n))),
  holdJobs: world => world.way.hold('jobs'),
};

test(
  'ended Jobs go when their time is over, whatever happened',
  async () => {
    await provesRest({
      moves,
      open: async () => {
        const world = await World.open({ controllers: [context => new TtlAfterFinishedController(context)] });
        for (const n of [0, 1, 2]) await moves['made']?.(world, n);
        return world;
      },
      check: async ({ admin }) => {
        for (const { metadata, spec, status } of (await admin.of(jobs).list({ namespace, resourceVersion: '' }))
          .items) {
          const isOver = status?.conditions !== undefined && spec.ttlSecondsAfterFinished !== undefined;
          // It goes once its pods are gone: nobody collects them here.
          if (isOver) expect(metadata.deletionTimestamp).toBeDefined();
        }
      },
      runs: 2,
    });
  },
  PROPERTY_TIMEOUT_MS,
);
