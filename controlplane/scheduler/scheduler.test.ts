import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { eventually } from '../../machinery/process/testdata/eventually.ts';
import type { Client } from '../../machinery/client/client.ts';
import { nodes, pods } from '../../machinery/client/resource.ts';
import { StatusError } from '../../machinery/meta/status-error.ts';
import { MetricsRegistry } from '../../machinery/process/metrics.ts';
import type { Plugin, PluginRegistry } from './framework/framework.ts';
import type { ProfileSpec } from './framework/profile.ts';
import { defaultProfile } from './plugins/default-profile.ts';
import { pluginRegistry } from './plugins/registry.ts';
import { OneScheduler } from './testdata/one-scheduler.ts';

let one: OneScheduler;
beforeEach(async () => (one = await OneScheduler.serve()));
afterEach(() => one.close());

const bound = (name: string): Promise<string> => eventually(`${name} is bound`, () => one.nodeOf(name));
const told = (name: string, what: RegExp): Promise<string> =>
  eventually(`${name} waits for ${String(what)}`, async () => {
    const reason = await one.waitsFor(name);
    return reason !== undefined && what.test(reason) ? reason : undefined;
  });

/** The default profile with a plugin more. */
function withPlugin(plugin: Plugin): { registry: PluginRegistry; profiles: ProfileSpec[] } {
  const multiPoint = [...defaultProfile.multiPoint, { name: plugin.name }];
  const registry = new Map([...pluginRegistry, [plugin.name, () => plugin] as const]);
  return { registry, profiles: [{ ...defaultProfile, multiPoint }] };
}

/** A client whose bindings are answered as said. */
function bindingAs(answer: (bind: () => Promise<unknown>) => Promise<unknown>): Client {
  const { client } = one;
  return {
    raw: (...args) => client.raw(...args),
    of(resource) {
      const real = client.of(resource);
      return new Proxy(real, {
        get(target, key: keyof typeof real) {
          if (key === 'createSubresource')
            return (...args: Parameters<typeof real.createSubresource>) =>
              answer(() => real.createSubresource(...args));
          return target[key].bind(target) as unknown;
        },
      });
    },
  };
}

describe('Scheduler', () => {
  test('places pods, fills nodes to the brim and no further, and says why the rest waits', async () => {
    const metrics = new MetricsRegistry();
    for (const name of ['a', 'b']) await one.node(name, '2');
    one.run({ metrics });
    for (let i = 0; i < 4; i++) await one.pod(`p${i}`);
    const where = await Promise.all(['p0', 'p1', 'p2', 'p3'].map(bound));
    expect(where.sort()).toEqual(['a', 'a', 'b', 'b']);
    await one.pod('more');
    const why = await told('more', /Unschedulable/);
    expect(why).toMatch(/^Unschedulable: 0\/2 nodes are available: 2 Insufficient cpu\./);
    expect(one.told).toContain('p0: Scheduled: Successfully assigned test/p0 to ' + (await one.nodeOf('p0')));
    expect(one.told.filter(each => each.startsWith('more: FailedScheduling: 0/2'))).toHaveLength(1);
    const text = metrics.render();
    expect(text).toContain('scheduler_schedule_attempts_total{result="scheduled",profile="default-scheduler"} 4');
    expect(text).toContain('scheduler_pending_pods{queue="unschedulable"} 1');
    expect(text).toContain('scheduler_unschedulable_pods{plugin="NodeResourcesFit",profile="default-scheduler"} 1');
    expect(text).toContain('scheduler_cache_size{type="nodes"} 2');
    expect(text).toContain('scheduler_cache_size{type="assumed_pods"} 0');
  });

  test('a pod that waits is tried when a pod goes, a node comes or its gate is opened', async () => {
    await one.node('a', '1');
    one.run();
    await one.pod('first');
    await bound('first');
    await one.pod('second');
    await told('second', /Insufficient cpu/);
    await one.client.of(pods).delete({ namespace: one.namespace, name: 'first' }, { gracePeriodSeconds: 0 });
    expect(await bound('second')).toBe('a');
    await one.pod('third');
    await told('third', /Insufficient cpu/);
    await one.node('b', '1');
    expect(await bound('third')).toBe('b');
    await one.node('c', '1');
    await one.pod('gated', '1', { schedulingGates: [{ name: 'example.com/gate' }] });
    expect(await told('gated', /SchedulingGated/)).toContain('non-empty scheduling gates');
    const ref = { namespace: one.namespace, name: 'gated' };
    await one.client.of(pods).patch(ref, { spec: { schedulingGates: null } }, { type: 'merge' });
    expect(await bound('gated')).toBe('c');
  });

  test('without nodes it says so, and places the pod when the first one comes; pods of others are left alone', async () => {
    one.run();
    await one.pod('p');
    await one.pod('foreign', '1', { schedulerName: 'another' });
    expect(await told('p', /Unschedulable/)).toBe('Unschedulable: no nodes available to schedule pods');
    await one.node('a');
    await bound('p');
    expect(await one.nodeOf('foreign')).toBe('');
  });

  test('asks plugins at every extension point, in order', async () => {
    const asked: string[] = [];
    const note = <R>(what: string, answer: R): R => {
      asked.push(what);
      return answer;
    };
    const witness: Plugin = {
      name: 'Witness',
      preEnqueue: () => note('PreEnqueue', undefined),
      preFilter: () => note('PreFilter', undefined),
      filter: () => note('Filter', undefined),
      postFilter: () => note('PostFilter', { message: 'witness: nothing to be done.' }),
      preScore: () => note('PreScore', undefined),
      score: () => note('Score', 1),
      normalize: () => note('Normalize', undefined),
      reserve: () => note('Reserve', undefined),
      permit: () => note('Permit', 'allow' as const),
      preBind: () => Promise.resolve(note('PreBind', undefined)),
      bind: () => Promise.resolve(note('Bind', 'skip' as const)),
      postBind: () => Promise.resolve(note('PostBind', undefined)),
    };
    const { registry, profiles } = withPlugin(witness);
    const [profile] = profiles;
    const bind = { enabled: [{ name: 'Witness' }, { name: 'DefaultBinder' }] };
    for (const name of ['a', 'b']) await one.node(name);
    one.run({ registry, profiles: [{ ...(profile as ProfileSpec), points: { bind } }] });
    await one.pod('p');
    await bound('p');
    await eventually('PostBind ran', () => (asked.includes('PostBind') ? true : undefined));
    const once = asked.filter((what, i) => asked.indexOf(what) === i);
    const before = ['PreEnqueue', 'PreFilter', 'Filter', 'PreScore', 'Score', 'Normalize'];
    expect(once).toEqual([...before, 'Reserve', 'Permit', 'PreBind', 'Bind', 'PostBind']);
    await one.pod('huge', '9');
    expect(await told('huge', /Insufficient cpu/)).toContain('witness: nothing to be done.');
  });

  test('what a plugin sets aside is given back when PreBind fails, and the pod is tried again', async () => {
    const asked: string[] = [];
    let tries = 0;
    const keeper: Plugin = {
      name: 'Keeper',
      reserve: (_state, _pod, nodeName) => void asked.push(`reserve ${nodeName}`),
      unreserve: (_state, _pod, nodeName) => void asked.push(`unreserve ${nodeName}`),
      preBind: () => (tries++ === 0 ? Promise.reject(new Error('the disk is on fire')) : Promise.resolve()),
    };
    await one.node('a', '1');
    one.run(withPlugin(keeper));
    await one.pod('p');
    expect(await bound('p')).toBe('a');
    expect(asked).toEqual(['reserve a', 'unreserve a', 'reserve a']);
    expect(one.told).toContain('p: FailedScheduling: binding rejected: the disk is on fire');
  });

  test('a pod that Permit keeps waiting holds its place until it is allowed, rejected or too late', async () => {
    let waitMs = 60_000;
    let handle: Parameters<NonNullable<ReturnType<PluginRegistry['get']>>>[1] | undefined;
    const guard: Plugin = { name: 'Guard', permit: () => ({ waitMs }), eventsToRegister: () => [] };
    const { profiles, registry } = withPlugin(guard);
    const remembering: PluginRegistry = new Map([
      ...registry,
      ['Guard', (_args: unknown, given: NonNullable<typeof handle>) => ((handle = given), guard)] as const,
    ]);
    await one.node('a', '1');
    one.run({ profiles, registry: remembering });
    const { metadata } = await one.pod('p');
    const waiting = await eventually('p waits', () => handle?.waitingPods.get(metadata.uid ?? ''));
    await one.pod('other');
    await told('other', /Insufficient cpu/);
    expect([...waiting.pending]).toEqual(['Guard']);
    waitMs = 20;
    waiting.reject('Guard', 'not today');
    expect(await told('p', /not today/)).toBe('Unschedulable: 0/1 nodes are available: 1 not today.');
    // The place is free again, but this one is too late.
    expect(await told('other', /timeout/)).toContain('rejected due to timeout after waiting 20ms at plugin Guard');
    waitMs = 60_000;
    await one.pod('last', '0');
    const allowed = await eventually('somebody waits', () => handle?.waitingPods.list()[0]);
    allowed.allow('Guard');
    await bound(allowed.pod.metadata.name ?? '');
  });

  test('a binding whose answer got lost is neither sent twice nor given away', async () => {
    let bindings = 0;
    const losing = bindingAs(async bind => {
      bindings++;
      await bind();
      throw new StatusError('InternalError', 500, 'connection reset');
    });
    await one.node('a', '1');
    one.run({}, losing);
    await one.pod('p');
    await one.pod('other');
    await bound('p');
    await told('other', /Insufficient cpu/);
    expect(bindings).toBe(1);
    expect(one.told.filter(each => each.includes('Scheduled: Successfully'))).toHaveLength(1);
  });

  test('a binding that is refused gives the place back', async () => {
    let refusals = 1;
    const refusing = bindingAs(bind => {
      if (refusals-- > 0) return Promise.reject(new StatusError('Forbidden', 403, 'not yet'));
      return bind();
    });
    await one.node('a', '1');
    one.run({}, refusing);
    await one.pod('p');
    expect(await bound('p')).toBe('a');
    expect(one.told).toContain('p: FailedScheduling: binding rejected: not yet');
  });

  test('a second scheduler takes over where the first was', async () => {
    await one.node('a', '2');
    const stop = one.run();
    await one.pod('p0');
    await bound('p0');
    await stop();
    for (const name of ['p1', 'p2']) await one.pod(name);
    one.run();
    await eventually('one more fits', async () => {
      const on = await Promise.all(['p1', 'p2'].map(name => one.nodeOf(name)));
      return on.filter(name => name !== '').length === 1 ? true : undefined;
    });
    expect(await one.client.of(nodes).get({ name: 'a' })).toBeDefined();
  });

  test('profiles stand side by side', async () => {
    const most = {
      ...defaultProfile,
      schedulerName: 'only-b',
      multiPoint: [...defaultProfile.multiPoint, { name: 'OnlyB' }],
    };
    const onlyB: Plugin = { name: 'OnlyB', preFilter: () => ({ nodeNames: new Set(['b']) }) };
    const registry = new Map([...pluginRegistry, ['OnlyB', () => onlyB] as const]);
    await one.node('a', '100');
    await one.node('b', '1');
    one.run({ registry, profiles: [defaultProfile, most] });
    await one.pod('p', '1', { schedulerName: 'only-b' });
    expect(await bound('p')).toBe('b');
    await one.pod('q', '1', { schedulerName: 'only-b' });
    expect(await told('q', /nodes are available/)).toContain(
      "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't satisfy plugin(s) [OnlyB].",
    );
    await one.pod('r');
    expect(await bound('r')).toBe('a');
  });
});
