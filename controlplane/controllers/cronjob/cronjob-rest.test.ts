/** Whatever happens, a CronJob starts each Job once, and makes no call between two starts. */
import { expect, test } from '@jest/globals';
import type { CronJob, Job } from '../../../proto/api/batch-v1.ts';
import { cronJobs, jobs } from '../../../machinery/client/resource.ts';
import { formatTime, parseTime } from '../../../machinery/meta/time.ts';
import { PROPERTY_TIMEOUT_MS, provesRest, trouble, type Moves } from '../testdata/histories.ts';
import { done } from '../testdata/pretend-nodes.ts';
import { World } from '../testdata/world.ts';
import { CronJobController } from './cronjob-controller.ts';

const { namespace } = World;
const name = 'c';
const ref = { namespace, name };
const policies = ['Allow', 'Forbid', 'Replace'];

function cron(concurrencyPolicy: string): CronJob {
  const template = { spec: { containers: [{ name: 'c', image: 'x' }], restartPolicy: 'Never' } };
  const spec = {
    schedule: '0 */6 * * *',
    concurrencyPolicy,
    successfulJobsHistoryLimit: 1,
    jobTemplate: { spec: { template } },
  };
  return { metadata: { namespace, name }, spec } as CronJob;
}

const patch = ({ admin }: World, spec: object): Promise<boolean> =>
  done(admin.of(cronJobs).patch(ref, { spec }, { type: 'merge' }));

async function withJob(world: World, n: number, what: (job: Job) => Promise<unknown>): Promise<void> {
  const { items } = await world.admin.of(jobs).list({ namespace, resourceVersion: '' });
  const job = items[n % Math.max(1, items.length)];
  if (job !== undefined) await done(what(job));
}

const moves: Moves = {
  hours: (world, n) => world.clock.advance((1 + (n % 12)) * 3_600_000),
  jobEnds: (world, n) =>
    withJob(world, n, job => {
      const now = formatTime(world.clock.now());
      const type = n % 3 === 0 ? 'Failed' : 'Complete';
      const isOver = job.status?.conditions !== undefined;
      const conditions = [{ type, status: 'True' as const, lastTransitionTime: now }];
      const status = { startTime: now, conditions, ...(type === 'Complete' ? { completionTime: now } : {}) };
      return isOver ? Promise.resolve() : world.admin.of(jobs).updateStatus({ ...job, status });
    }),
  jobDeleted: (world, n) =>
    withJob(world, n, ({ metadata }) =>
      world.admin.of(jobs).delete({ namespace, name: metadata.name ?? '' }, { propagationPolicy: 'Background' }),
    ),
  suspend: world => patch(world, { suspend: true }),
  resume: world => patch(world, { suspend: false }),
  policy: (world, n) => patch(world, { concurrencyPolicy: policies[n % 3] }),
  deadline: (world, n) => patch(world, { startingDeadlineSeconds: 10 + n }),
  // Far from any start, so that a world at rest for hours has none.
  schedule: (world, n) => patch(world, { schedule: `${n % 60} */6 * * *` }),
  holdJobs: world => world.way.hold('jobs'),
  holdCrons: world => world.way.hold('cronjobs'),
};

/** Suspended in the end: a schedule never rests by itself. */
async function check(world: World): Promise<void> {
  const made = new Map<string, number>();
  for (const { method, path, answer } of world.calls) {
    const job = answer as Job | undefined;
    if (method !== 'POST' || !path.endsWith('/jobs') || job?.metadata.uid === undefined) continue;
    made.set(job.metadata.name ?? '', (made.get(job.metadata.name ?? '') ?? 0) + 1);
  }
  expect([...made].filter(([, times]) => times > 1)).toEqual([]);
  const subject = await world.admin.of(cronJobs).get(ref);
  const { items } = await world.admin.of(jobs).list({ namespace, resourceVersion: '' });
  const running = items.filter(({ status }) => status?.conditions === undefined).map(({ metadata }) => metadata.name);
  expect((subject.status?.active ?? []).map(active => active.name).sort()).toEqual(running.sort());
  const ended = items.filter(({ status }) => status?.conditions?.[0]?.type === 'Complete');
  expect(ended.length).toBeLessThanOrEqual(1);
  for (const { metadata } of items) {
    const startMs = parseTime(metadata.annotations?.['batch.kubernetes.io/cronjob-scheduled-timestamp'] ?? '') ?? 0;
    expect(metadata.name).toBe(`${name}-${startMs / 60_000}`);
  }
}

test(
  'a CronJob starts each Job once and rests, whatever happened',
  async () => {
    await provesRest({
      moves,
      // Not by hours: what a clock that was wrong started may come again.
      trouble: { ...trouble, clockBack: (world, n) => world.clock.jump(-(n % 25) * 60_000) },
      runs: 2,
      open: async () => {
        const world = await World.open({ controllers: [context => new CronJobController(context)] });
        await world.admin.of(cronJobs).create(cron('Allow'));
        return world;
      },
      check: async world => {
        await patch(world, { suspend: true });
        await world.settle();
        await check(world);
      },
    });
  },
  PROPERTY_TIMEOUT_MS,
);
