/** Random bad days on the real API server: whatever happens, no node gets more than it has, and in the end everything that fits has a place. */
import { expect, test } from '@jest/globals';
import { eventually } from '../../machinery/process/testdata/eventually.ts';
import fc from 'fast-check';
import type { Client } from '../../machinery/client/client.ts';
import { pods } from '../../machinery/client/resource.ts';
import { isNotFound } from '../../machinery/meta/status-error-from.ts';
import { StatusError } from '../../machinery/meta/status-error.ts';
import type { Pod } from '../../proto/api/core-v1.ts';
import { OneScheduler } from './testdata/one-scheduler.ts';

/** What happens to a binding: it works, is refused, its answer is lost, or it never arrives. */
type Fate = 'works' | 'refused' | 'lost' | 'never';

/** A client whose bindings have these fates, in turn, and all work in the end. */
function fated(client: Client, fates: readonly Fate[]): Client {
  let next = 0;
  const answer = async <R>(bind: () => Promise<R>): Promise<R> => {
    const fate = fates[next++] ?? 'works';
    if (fate === 'refused') throw new StatusError('Forbidden', 403, 'refused');
    if (fate === 'never') throw new StatusError('ServiceUnavailable', 503, 'the API is away');
    const bound = await bind();
    if (fate === 'lost') throw new StatusError('Timeout', 504, 'the answer is lost');
    return bound;
  };
  return {
    raw: (...args) => client.raw(...args),
    of(resource) {
      const real = client.of(resource);
      return new Proxy(real, {
        get(target, key: keyof typeof real) {
          if (key !== 'createSubresource') return target[key].bind(target) as unknown;
          return (...args: Parameters<typeof real.createSubresource>) => answer(() => real.createSubresource(...args));
        },
      });
    },
  };
}

const NODES = ['a', 'b'];
const CPUS = 3;

const step = fc.record({
  what: fc.constantFrom('pod', 'pod', 'pod', 'delete', 'restart', 'wait'),
  which: fc.nat(6),
});
const fates = fc.array(fc.constantFrom<Fate>('works', 'refused', 'lost', 'never'), { maxLength: 12 });

async function onNodes(one: OneScheduler): Promise<Map<string, Pod[]>> {
  const { items } = await one.client.of(pods).list({ namespace: one.namespace });
  const placed = new Map<string, Pod[]>();
  for (const pod of items) placed.set(pod.spec.nodeName ?? '', [...(placed.get(pod.spec.nodeName ?? '') ?? []), pod]);
  return placed;
}

test('whatever becomes of bindings, pods and the scheduler itself, nodes hold what they can and no more', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 6, maxLength: 20 }), fates, async (steps, bindings) => {
      const one = await OneScheduler.serve();
      try {
        for (const name of NODES) await one.node(name, String(CPUS));
        let stop = one.run({}, fated(one.client, bindings));
        let made = 0;
        for (const { what, which } of steps) {
          if (what === 'pod') await one.pod(`p${made++}`);
          if (what === 'wait') await new Promise(resolve => setTimeout(resolve, which));
          if (what === 'restart') {
            await stop();
            stop = one.run({}, fated(one.client, bindings));
          }
          if (what === 'delete' && made > 0) {
            const ref = { namespace: one.namespace, name: `p${which % made}` };
            await one.client
              .of(pods)
              .delete(ref, { gracePeriodSeconds: 0 })
              .catch((error: unknown) => {
                if (!isNotFound(error)) throw error;
              });
          }
          for (const name of NODES) expect((await onNodes(one)).get(name)?.length ?? 0).toBeLessThanOrEqual(CPUS);
        }
        await eventually('all that fit have a place', async () => {
          const placed = await onNodes(one);
          const waiting = placed.get('')?.length ?? 0;
          const taken = NODES.reduce((sum, name) => sum + (placed.get(name)?.length ?? 0), 0);
          return waiting === 0 || taken === NODES.length * CPUS ? true : undefined;
        });
        for (const name of NODES) expect((await onNodes(one)).get(name)?.length ?? 0).toBeLessThanOrEqual(CPUS);
      } finally {
        await one.close();
      }
    }),
    { numRuns: 5 },
  );
});
