/** Whatever happens, a Job counts every pod once, makes none too many, and then nothing is called. */
import { expect, test } from '@jest/globals';
import type { Job, JobSpec } from '../../../proto/api/batch-v1.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import { jobs, pods } from '../../../machinery/client/resource.ts';
import { controllerOf, isConditionTrue, isControlledBy, isDeleting } from '../../../machinery/meta/object.ts';
import { isPodActive } from '../runtime/plan/pod-state.ts';
import { foreignDeletions, podMoves, PROPERTY_TIMEOUT_MS, provesRest, type Moves } from '../testdata/histories.ts';
import { done } from '../testdata/pretend-nodes.ts';
import type { Call } from '../testdata/unreliable-transport.ts';
import { World } from '../testdata/world.ts';
import { JobController } from './job-controller.ts';
import { isFinished } from './plan/conditions.ts';
import { IndexRanges } from './plan/index-ranges.ts';
import { INDEX, isTracked } from './plan/job-pod.ts';

const { namespace } = World;
const name = 'sum';
const ref = { namespace, name };
const PARALLELISM = 2;

const specs: readonly Partial<JobSpec>[] = [
  { completions: 4 },
  { completions: 3, podReplacementPolicy: 'Failed', backoffLimit: 2 },
  {},
  { completions: 4, completionMode: 'Indexed' },
  { completions: 3, completionMode: 'Indexed', backoffLimitPerIndex: 1, maxFailedIndexes: 1 },
  { completions: 4, completionMode: 'Indexed', successPolicy: { rules: [{ succeededCount: 2 }] } },
  { completions: 2, activeDeadlineSeconds: 600 },
];

function job(spec: Partial<JobSpec>): Job {
  const template = {
    metadata: { labels: { app: 'web' } },
    spec: { containers: [{ name: 'c', image: 'x' }], restartPolicy: 'Never' },
  };
  const selector = { matchLabels: { app: 'web' } };
  const all = { parallelism: PARALLELISM, backoffLimit: 4, manualSelector: true, selector, template, ...spec };
  return { metadata: { namespace, name }, spec: all };
}

const patch = ({ admin }: World, spec: object): Promise<boolean> =>
  done(admin.of(jobs).patch(ref, { spec }, { type: 'merge' }));

const moves: Moves = {
  podFails: podMoves['podFails'] ?? (() => undefined),
  podSucceeds: podMoves['podSucceeds'] ?? (() => undefined),
  podDeleted: podMoves['podDeleted'] ?? (() => undefined),
  podReady: podMoves['podReady'] ?? (() => undefined),
  suspend: world => patch(world, { suspend: true }),
  resume: world => patch(world, { suspend: false }),
  remove: ({ admin }) => done(admin.of(jobs).delete(ref, { propagationPolicy: 'Background' })),
  create: ({ admin }, n) => done(admin.of(jobs).create(job(specs[n % specs.length] ?? {}))),
  holdJobs: world => world.way.hold('jobs'),
};

async function jobOf({ admin }: World): Promise<Job | undefined> {
  return (await admin.of(jobs).list({ namespace, resourceVersion: '' })).items[0];
}

async function podsOf({ admin }: World): Promise<Pod[]> {
  return (await admin.of(pods).list({ namespace, resourceVersion: '' })).items;
}

/** Of a job at rest. */
async function check(world: World): Promise<void> {
  const subject = await jobOf(world);
  const all = await podsOf(world);
  const owned = subject === undefined ? [] : all.filter(pod => isControlledBy(pod, subject));
  for (const pod of all.filter(each => !owned.includes(each))) expect(isTracked(pod)).toBe(false);
  if (subject === undefined) return;
  const { spec, status = {} } = subject;
  const active = owned.filter(isPodActive);
  expect([status.active ?? 0, status.terminating ?? 0]).toEqual([active.length, 0]);
  expect(status.uncountedTerminatedPods ?? {}).toEqual({});
  // A failed pod stays until another one of its index counts on.
  const isKept = (pod: Pod): boolean => spec.backoffLimitPerIndex !== undefined && pod.status?.phase === 'Failed';
  for (const pod of owned.filter(each => !isKept(each) || isFinished(subject)))
    expect([pod.metadata.name, isTracked(pod)]).toEqual([pod.metadata.name, isPodActive(pod)]);
  if (isFinished(subject)) {
    expect(active).toEqual([]);
    const before = isConditionTrue(status.conditions, 'Complete') ? 'SuccessCriteriaMet' : 'FailureTarget';
    expect(isConditionTrue(status.conditions, before)).toBe(true);
    return;
  }
  const failedIndexes = IndexRanges.parse(status.failedIndexes, 99).size;
  const missing =
    spec.completions === undefined ? PARALLELISM : spec.completions - (status.succeeded ?? 0) - failedIndexes;
  const isOver = spec.completions === undefined && (status.succeeded ?? 0) > 0;
  const wanted = isOver ? active.length : Math.min(PARALLELISM, missing);
  expect(active.length).toBe(spec.suspend === true ? 0 : wanted);
  const indexes = active.map(({ metadata }) => metadata.annotations?.[INDEX]);
  if (spec.completionMode === 'Indexed') expect(new Set(indexes).size).toBe(active.length);
}

/** What the test knows of all pods that there ever were: each is counted at most once. */
class Ledger {
  private readonly made = new Map<string, string>();
  private readonly ended = new Map<string, 'succeeded' | 'failed'>();
  private world: World | undefined;
  /** Told at the end: who throws on the way is taken for the server. */
  readonly problems: string[] = [];

  async open(spec: Partial<JobSpec>): Promise<World> {
    const world = await World.open({
      controllers: [context => new JobController(context)],
      owners: [jobs],
      answered: call => this.answered(call),
    });
    this.world = world;
    await world.admin.of(jobs).create(job(spec));
    return world;
  }

  /** After every call of the controller. */
  private async answered({ method, path, answer }: Call): Promise<void> {
    if (this.world === undefined) return;
    const made = answer as Pod | undefined;
    if (method === 'POST' && path.endsWith('/pods') && made?.metadata.uid !== undefined) {
      this.made.set(made.metadata.uid, controllerOf(made)?.uid ?? '');
      await this.look();
      const live = (await podsOf(this.world)).filter(pod => controllerOf(pod)?.uid === controllerOf(made)?.uid);
      if (live.filter(isPodActive).length > PARALLELISM) this.problems.push('too many pods at once');
    } else if (method === 'PUT' && path.endsWith('/status')) {
      await this.look();
      this.check(await jobOf(this.world));
    }
  }

  private async look(): Promise<void> {
    if (this.world === undefined) return;
    for (const pod of await podsOf(this.world)) {
      const { uid = '' } = pod.metadata;
      if (pod.status?.phase === 'Succeeded') this.ended.set(uid, 'succeeded');
      else if (pod.status?.phase === 'Failed' || isDeleting(pod)) this.ended.set(uid, 'failed');
    }
  }

  private check(subject: Job | undefined): void {
    if (subject === undefined) return;
    const { status = {}, metadata } = subject;
    const notes = status.uncountedTerminatedPods ?? {};
    const counted = (field: 'succeeded' | 'failed'): number => (status[field] ?? 0) + (notes[field] ?? []).length;
    const own = [...this.made].filter(([, owner]) => owner === metadata.uid).map(([uid]) => uid);
    const succeeded = own.filter(uid => this.ended.get(uid) === 'succeeded').length;
    const all = counted('succeeded') + counted('failed');
    if (all > own.length) this.problems.push(`counts ${all} of ${own.length} pods`);
    if (counted('succeeded') > succeeded)
      this.problems.push(`counts ${counted('succeeded')} of ${succeeded} that succeeded`);
  }
}

test(
  'a Job counts each pod once and rests, whatever happened',
  async () => {
    let [next, ledger] = [0, new Ledger()];
    await provesRest({
      moves,
      open: () => (ledger = new Ledger()).open(specs[next++ % specs.length] ?? {}),
      check: async world => {
        await check(world);
        expect(ledger.problems).toEqual([]);
      },
      runs: 5,
    });
  },
  PROPERTY_TIMEOUT_MS,
);

test(
  'a Job takes on and lets go what it should, and rests',
  async () => {
    await provesRest({
      moves: { ...podMoves, ...moves },
      open: () => new Ledger().open({ completions: 4 }),
      check: async world => {
        const subject = await jobOf(world);
        const owned = (await podsOf(world)).filter(pod => subject !== undefined && isControlledBy(pod, subject));
        expect(subject?.status?.active ?? 0).toBe(owned.filter(isPodActive).length);
        expect(foreignDeletions(world, 'Job')).toEqual([]);
      },
      runs: 3,
    });
  },
  PROPERTY_TIMEOUT_MS,
);
