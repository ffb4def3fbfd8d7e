/**
 * Random creations, deletions, changed bounds, kills and lost answers, on the real API server: no quota is ever passed, and at rest each says what
 * is there.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Pod, Secret } from '../../../proto/api/core-v1.ts';
import { pods, resourceQuotas, secrets } from '../../../machinery/client/resource.ts';
import { isForbidden, isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { World } from '../testdata/world.ts';
import { ResourceQuotaController } from './resource-quota-controller.ts';

const { namespace } = World;
const step = fc.oneof(
  fc.record({ kind: fc.constant('create' as const), pods: fc.nat(4), secrets: fc.nat(4) }),
  fc.record({ kind: fc.constant('delete' as const), pods: fc.nat(3), secrets: fc.nat(3) }),
  fc.record({ kind: fc.constant('bound' as const), pods: fc.integer({ min: 0, max: 6 }), secrets: fc.nat(6) }),
  fc.record({ kind: fc.constant('kill' as const), pods: fc.constant(0), secrets: fc.constant(0) }),
  fc.record({ kind: fc.constant('trouble' as const), pods: fc.constant(0), secrets: fc.constant(0) }),
  fc.record({ kind: fc.constant('wait' as const), pods: fc.constant(0), secrets: fc.constant(0) }),
);

test('no quota is passed, at rest it says what is there, and no call is made', async () => {
  const world = await World.open({ controllers: [context => new ResourceQuotaController(context)] });
  const { admin } = world;
  const refOf = (name: string) => ({ namespace, name });
  const quotas = ['narrow', 'wide'].map(refOf);
  const hardOf = (count: number, tokens: number) => ({
    pods: String(count),
    'requests.cpu': `${count * 100}m`,
    secrets: String(tokens),
  });
  for (const metadata of quotas) await admin.of(resourceQuotas).create({ metadata, spec: { hard: hardOf(4, 4) } });
  await world.settle();
  let serial = 0;
  const create = async (): Promise<void> => {
    const spec = { containers: [{ name: 'c', image: 'x', resources: { requests: { cpu: '100m' } } }] };
    await admin
      .of(pods)
      .create({ metadata: refOf(`p${serial++}`), spec } as Pod)
      .catch(unlessRefused);
  };
  const keep = async (): Promise<void> => {
    await admin
      .of(secrets)
      .create({ metadata: refOf(`s${serial++}`) } as Secret)
      .catch(unlessRefused);
  };
  const usedNow = async () => {
    const found = (await admin.of(resourceQuotas).list({ namespace })).items;
    return found.map(({ status }) => status ?? {});
  };
  const there = async () => ({
    pods: (await admin.of(pods).list({ namespace })).items,
    secrets: (await admin.of(secrets).list({ namespace })).items,
  });
  const run = async (steps: readonly (typeof step extends fc.Arbitrary<infer S> ? S : never)[]): Promise<void> => {
    for (const { kind, ...count } of steps) {
      const [before, boundsBefore] = [await there(), await usedNow()];
      if (kind === 'create') {
        await Promise.all([...Array(count.pods).keys()].map(create).concat([...Array(count.secrets).keys()].map(keep)));
        // A new bound may hold from any moment on.
        const bounds = (await usedNow()).map(({ hard }, i) => [hard, boundsBefore[i]?.hard]);
        const after = await there();
        for (const name of ['pods', 'secrets'] as const) {
          for (const hard of bounds) {
            const most = Math.max(...hard.map(bound => Number(bound?.[name])), before[name].length);
            expect(after[name].length).toBeLessThanOrEqual(most);
          }
        }
      }
      if (kind === 'delete') {
        for (const { metadata } of before.pods.slice(0, count.pods))
          await admin
            .of(pods)
            .delete(refOf(metadata.name ?? ''), { gracePeriodSeconds: 0 })
            .catch(unlessGone);
        for (const { metadata } of before.secrets.slice(0, count.secrets))
          await admin
            .of(secrets)
            .delete(refOf(metadata.name ?? ''))
            .catch(unlessGone);
      }
      if (kind === 'bound') {
        const change = { spec: { hard: hardOf(count.pods, count.secrets) } };
        await admin.of(resourceQuotas).patch(refOf('narrow'), change, { type: 'merge' });
      }
      if (kind === 'kill') await world.restart();
      if (kind === 'trouble') world.way.faults.push('lost', 'refused');
      if (kind === 'wait') await world.clock.advance(300);
    }
    await world.settle();
    const left = await there();
    const counted = {
      pods: String(left.pods.length),
      'requests.cpu': left.pods.length === 10 ? '1' : left.pods.length === 0 ? '0' : `${left.pods.length * 100}m`,
      secrets: String(left.secrets.length),
    };
    for (const { used } of await usedNow()) expect(used).toEqual(counted);
  };
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 9 }), run), { numRuns: 15 });
  await world.expectRest();
  await world.close();
});

function unlessRefused(error: unknown): void {
  if (!isForbidden(error)) throw error;
}

function unlessGone(error: unknown): void {
  if (!isNotFound(error)) throw error;
}
