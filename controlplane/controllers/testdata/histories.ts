/**
 * Random histories of a world, and the property that every controller must have: whatever happened, it comes to rest, at rest all is as it
 * should be, and from then on it makes no call.
 *
 * A history is a list of moves; each is named, and takes a number to choose by (which pod, how many replicas), so that what fails is shrunk and
 * can be read. `PROPERTY_RUNS` says how many histories are tried (default: few), `PROPERTY_SEED` repeats them.
 */
import fc from 'fast-check';
import type { Pod } from '../../../proto/api/core-v1.ts';
import { pods } from '../../../machinery/client/resource.ts';
import { controllerOf } from '../../../machinery/meta/object.ts';
import { isForbidden } from '../../../machinery/meta/status-error-from.ts';
import { done } from './pretend-nodes.ts';
import type { World } from './world.ts';

/** @param n any number below 1000, to choose by */
export type Move = (world: World, n: number) => unknown;
export type Moves = Readonly<Record<string, Move>>;

const FINALIZER = 'example.test/kept';

/** Bad days of the controllers themselves. */
export const trouble: Moves = {
  holdPods: world => world.way.hold('pods'),
  letGo: world => world.way.letGo(),
  expireWatches: world => world.way.expire(),
  refuse: (world, n) => fault(world, n, 'refused'),
  loseAnswer: (world, n) => fault(world, n, 'lost'),
  kill: world => world.restart(),
  clockForward: (world, n) => world.clock.jump(n * 60_000),
  clockBack: (world, n) => world.clock.jump(-n * 60_000),
};

/** Time passes and others work. */
export const passing: Moves = {
  quiet: world => world.quiet(),
  turns: async (_world, n) => {
    for (let i = 0; i < n % 20; i++) await new Promise(resolve => setImmediate(resolve));
  },
  nodesWork: world => world.pretend.step(world.nodeNames),
  wait: (world, n) => world.clock.advance(n * 20),
};

/** What becomes of pods. */
export const podMoves: Moves = {
  podFails: (world, n) => withPod(world, n, pod => world.pretend.tell(pod, 'Failed', false)),
  podEvicted: (world, n) => withPod(world, n, pod => world.pretend.tell(pod, 'Failed', false, 'Evicted')),
  podSucceeds: (world, n) => withPod(world, n, pod => world.pretend.tell(pod, 'Succeeded', false)),
  podUnready: (world, n) => withPod(world, n, pod => world.pretend.tell(pod, 'Running', false)),
  podReady: (world, n) => withPod(world, n, pod => world.pretend.tell(pod, 'Running', true)),
  podDeleted: (world, n) => withPod(world, n, pod => world.admin.of(pods).delete(refOf(pod))),
  podGone: (world, n) => withPod(world, n, pod => world.admin.of(pods).delete(refOf(pod), { gracePeriodSeconds: 0 })),
  podRelabelled: (world, n) => patchPod(world, n, { labels: { app: 'other' } }),
  podLabelBack: (world, n) => patchPod(world, n, { labels: { app: 'web' } }),
  podDisowned: (world, n) => patchPod(world, n, { ownerReferences: null }),
  podFinalizer: (world, n) => patchPod(world, n, { finalizers: n % 3 === 0 ? null : [FINALIZER] }),
  podTaken: (world, n) => patchPod(world, n, { ownerReferences: [anotherOwner] }),
};

/** Owns what it never made. */
export const anotherOwner = { apiVersion: 'example.test/v1', kind: 'Other', name: 'other', uid: 'other', controller: true };

/** As the third argument of `test()`. */
export const PROPERTY_TIMEOUT_MS = 60_000 + Number(process.env['PROPERTY_RUNS'] ?? 0) * 5000;

export interface Property {
  open(): Promise<World>;
  /** What may happen, apart from what may happen to all (`trouble`, `passing`). */
  moves: Moves;
  /** Beside `moves`; default all of `trouble`. */
  trouble?: Moves;
  /** All is as it should be in a settled world. @throws Error if not */
  check(world: World): Promise<void>;
  /** Longest history, default 14. */
  length?: number;
  /** Histories, default 5; `PROPERTY_RUNS` stands in for it. */
  runs?: number;
}

/** @throws Error with the shortest history found that breaks the property */
export async function provesRest(property: Property): Promise<void> {
  const all: Moves = { ...passing, ...(property.trouble ?? trouble), ...property.moves };
  // What belongs to the kind at hand comes as often as all the rest.
  const name = fc.oneof(fc.constantFrom(...Object.keys(property.moves)), fc.constantFrom(...Object.keys(all)));
  const history = fc.array(fc.tuple(name, fc.nat(999)), { maxLength: property.length ?? 14 });
  const holds = async (moves: readonly (readonly [string, number])[]): Promise<void> => {
    const world = await property.open();
    try {
      for (const [what, n] of moves) await all[what]?.(world, n);
      await world.settle();
      await property.check(world);
      await world.expectRest();
    } finally {
      await world.close();
    }
  };
  const { PROPERTY_RUNS, PROPERTY_SEED } = process.env;
  await fc.assert(fc.asyncProperty(history, holds), {
    numRuns: Number(PROPERTY_RUNS ?? property.runs ?? 5),
    ...(PROPERTY_SEED === undefined ? {} : { seed: Number(PROPERTY_SEED) }),
    endOnFailure: PROPERTY_RUNS === undefined,
  });
}

/**
 * @returns what controllers deleted without owning it: each pod that went by a call of theirs has to refer to an owner of that kind
 */
export function foreignDeletions({ calls }: World, ownerKind: string): string[] {
  const deleted = calls.filter(({ method, path }) => method === 'DELETE' && path.includes('/pods/'));
  return deleted
    .filter(({ answer }) => {
      const pod = answer as Pod | undefined;
      return pod?.kind === 'Pod' && controllerOf(pod)?.kind !== ownerKind;
    })
    .map(({ path }) => path);
}

/** @returns calls that the server did not allow the controllers */
export function forbiddenCalls({ calls }: World): string[] {
  const refused = calls.filter(({ error }) => isForbidden(error));
  return refused.map(({ method, path, error }) => `${method} ${path} ${String(error)}`);
}

function fault(world: World, n: number, what: 'refused' | 'lost'): void {
  const { faults } = world.way;
  while (faults.length < n % 4) faults.push(undefined);
  faults.push(what);
}

async function withPod(world: World, n: number, what: (pod: Pod) => Promise<unknown>): Promise<void> {
  const { items } = await world.admin.of(pods).list({ resourceVersion: '' });
  const pod = items[n % Math.max(1, items.length)];
  if (pod !== undefined) await done(what(pod));
}

function patchPod(world: World, n: number, metadata: object): Promise<void> {
  return withPod(world, n, pod => world.admin.of(pods).patch(refOf(pod), { metadata }, { type: 'merge' }));
}

function refOf({ metadata }: Pod): { namespace: string | undefined; name: string } {
  return { namespace: metadata.namespace, name: metadata.name ?? '' };
}
