/**
 * Random owners and deletions, on the real API server: what is left is what a naive model leaves, whatever the way (foreground, background),
 * with a controller that is killed and a server that fails meanwhile. Nothing that has a living owner is ever deleted.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { OwnerReference } from '../../../proto/api/meta-v1.ts';
import {
  clusterRoles,
  configMaps,
  secrets,
  type AnyObject,
  type Resource,
} from '../../../machinery/client/resource.ts';
import { World } from '../testdata/world.ts';
import { GarbageCollector } from './garbage-collector.ts';

const { namespace } = World;
const KINDS: readonly Resource<AnyObject>[] = [configMaps, secrets, clusterRoles];
const ABSENT = -1;

interface Made {
  readonly kind: number;
  /** Owners by number, -1 for one that never was. */
  readonly owners: readonly { at: number; blocks: boolean }[];
}

interface Deletion {
  readonly at: number;
  readonly policy: 'Foreground' | 'Background' | 'Orphan';
  readonly trouble: 'none' | 'kill' | 'refused' | 'lost';
}

const object = (count: number): fc.Arbitrary<Made> =>
  fc.record({
    kind: fc.nat(KINDS.length - 1),
    owners: fc.uniqueArray(fc.record({ at: fc.integer({ min: ABSENT, max: count - 1 }), blocks: fc.boolean() }), {
      maxLength: 2,
      selector: owner => owner.at,
    }),
  });

const history = fc.integer({ min: 2, max: 7 }).chain(count =>
  fc.record({
    made: fc.array(object(count), { minLength: count, maxLength: count }),
    deletions: fc.array(
      fc.record<Deletion>({
        at: fc.nat(count - 1),
        policy: fc.constantFrom('Foreground', 'Background', 'Orphan'),
        trouble: fc.constantFrom('none', 'none', 'kill', 'refused', 'lost'),
      }),
      { minLength: 1, maxLength: 3 },
    ),
  }),
);

/** What is there, and the owners that each has. */
type State = Map<number, Set<number>>;

/** An object without namespace cannot say where a namespaced owner is: nothing is known of that one, and so it counts as alive. */
function isPossible(made: readonly Made[], at: number, owner: number): boolean {
  const kindOf = (index: number) => KINDS[made[index]?.kind ?? 0];
  return kindOf(at)?.namespaced === true || (owner >= 0 && kindOf(owner)?.namespaced === false);
}

function converge(state: State, made: readonly Made[]): void {
  for (let changed = true; changed;) {
    changed = false;
    for (const [at, owners] of state) {
      if (owners.size === 0) continue;
      const living = [...owners].filter(owner => state.has(owner) || !isPossible(made, at, owner));
      if (living.length === owners.size) continue;
      changed = true;
      if (living.length === 0) state.delete(at);
      else state.set(at, new Set(living));
    }
  }
}

/** Until nothing is called for some seconds of the world's time: hours would have sixty watches made anew. */
async function rest(world: World): Promise<void> {
  for (let calm = 0; calm < 6; calm++) {
    const before = world.calls.length;
    await world.quiet();
    await world.clock.advance(500);
    await world.quiet();
    if (world.calls.length > before) calm = 0;
  }
}

test('what is left is what a model says, and then no call is made', async () => {
  const world = await World.open({ controllers: [context => new GarbageCollector(context)] });
  let round = 0;
  const property = fc.asyncProperty(history, async ({ made, deletions }) => {
    round++;
    const refOf = (at: number) => ({
      namespace: KINDS[made[at]?.kind ?? 0]?.namespaced === true ? namespace : undefined,
      name: `o${round}-${at}`,
    });
    const kindOf = (at: number) => KINDS[made[at]?.kind ?? 0] as Resource<AnyObject>;
    const uids: string[] = [];
    for (const at of made.keys())
      uids.push((await world.admin.of(kindOf(at)).create({ metadata: refOf(at) })).metadata.uid ?? '');
    const ownerReferences = (at: number): OwnerReference[] =>
      (made[at]?.owners ?? []).map(owner => ({
        apiVersion: owner.at < 0 || kindOf(owner.at).group === '' ? 'v1' : `${kindOf(owner.at).group}/v1`,
        kind: owner.at < 0 ? 'ConfigMap' : kindOf(owner.at).kind,
        name: owner.at < 0 ? 'nobody' : refOf(owner.at).name,
        uid: uids[owner.at] ?? `absent-${round}`,
        blockOwnerDeletion: owner.blocks,
      }));
    // All at once: what is owned by nobody any more must not go before it owns something itself.
    await Promise.all(
      [...made.keys()].map(at =>
        world.admin
          .of(kindOf(at))
          .patch(refOf(at), { metadata: { ownerReferences: ownerReferences(at) } }, { type: 'merge' }),
      ),
    );
    const state: State = new Map(made.map(({ owners }, at) => [at, new Set(owners.map(owner => owner.at))]));
    const look = async (): Promise<State> => {
      const left: State = new Map();
      for (const at of made.keys()) {
        const found = await world.admin
          .of(kindOf(at))
          .get(refOf(at))
          .catch(() => undefined);
        const owners = found?.metadata.ownerReferences ?? [];
        if (found !== undefined) left.set(at, new Set(owners.map(owner => uids.indexOf(owner.uid))));
      }
      return left;
    };
    converge(state, made);
    await rest(world);
    expect(await look()).toEqual(state);
    for (const { at, policy, trouble } of deletions) {
      if (!state.has(at)) continue;
      if (trouble === 'refused' || trouble === 'lost') world.way.faults.push(trouble, undefined, trouble);
      await world.admin.of(kindOf(at)).delete(refOf(at), { propagationPolicy: policy });
      if (trouble === 'kill') await world.restart();
      state.delete(at);
      if (policy === 'Orphan')
        for (const [dependent, owners] of state) {
          // A dependent is let go even where the owner could not have it.
          if (owners.delete(at) && owners.size === 0) state.set(dependent, owners);
        }
      converge(state, made);
      await rest(world);
      expect(await look()).toEqual(state);
    }
    const before = world.calls.length;
    world.replay();
    await rest(world);
    expect(world.calls.slice(before).map(({ method, path }) => `${method} ${path}`)).toEqual([]);
  });
  await fc.assert(property, { numRuns: 40 });
  await world.close();
});
