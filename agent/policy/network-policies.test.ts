/** When it follows and writes what, and what becomes of failures. What the rules let through is tried elsewhere. */
import { expect, test } from '@jest/globals';
import type { Client } from '../../machinery/client/client.ts';
import { namespaces, networkPolicies, pods } from '../../machinery/client/resource.ts';
import { FakeClock } from '../../machinery/process/clock.ts';
import { silentLogger } from '../../machinery/process/logger.ts';
import type { Namespace, Pod } from '../../proto/api/core-v1.ts';
import type { NetworkPolicy, NetworkPolicySpec } from '../../proto/api/networking-v1.ts';
import { ManualInformer } from '../proxy/testdata/objects.ts';
import { NetworkPolicies } from './network-policies.ts';

function pod(name: string, address: string, nodeName = 'n'): Pod {
  return {
    metadata: { namespace: 'one', name, uid: name, labels: { app: name } },
    spec: { nodeName, containers: [{ name: 'x' }] },
    status: { phase: 'Running', podIPs: [{ ip: address }] },
  };
}

function policy(name: string, spec: NetworkPolicySpec): NetworkPolicy {
  return { metadata: { namespace: 'one', name }, spec };
}

/** The part with a back end that writes down what it is told, and fails when asked to. */
function setUp({ isSynced = true } = {}) {
  const clock = new FakeClock();
  const informers = {
    policies: new ManualInformer<NetworkPolicy>(networkPolicies),
    namespaces: new ManualInformer<Namespace>(namespaces),
    localPods: new ManualInformer<Pod>(pods),
  };
  if (!isSynced) {
    informers.policies.hasSynced = () => false;
    informers.policies.synced = () => new Promise<void>(() => {});
  }
  const told: string[] = [];
  const events: string[] = [];
  const state = { failure: undefined as string | undefined, isOurs: true, isReadOnly: false, elsewhere: [] as Pod[] };
  const call = (what: string): Promise<void> => {
    told.push(what);
    return state.failure === undefined ? Promise.resolve() : Promise.reject(new Error(state.failure));
  };
  let emit: (event: { type: string; object: Pod }) => void = () => {};
  const client = {
    of: () => ({
      list: () => {
        told.push('list pods');
        return Promise.resolve({ items: state.elsewhere, resourceVersion: '1' });
      },
      async *watch({ signal }: { signal: AbortSignal }) {
        while (!signal.aborted) {
          const event = await new Promise<{ type: string; object: Pod } | undefined>(resolve => {
            emit = resolve;
            signal.addEventListener('abort', () => resolve(undefined), { once: true });
          });
          if (event !== undefined) yield event;
        }
      },
    }),
  } as unknown as Client;
  const stop = new AbortController();
  const part = new NetworkPolicies({
    ...informers,
    client,
    nodeName: 'n',
    backend: {
      name: 'nftables',
      replaceAll: model => call(`all of ${[...model.pods.keys()].join(' ')}`),
      update: change => call(`change: ${change.changeSets.flatMap(({ add }) => add).join(' ')}`),
      hasDrifted: () => Promise.resolve(false),
      cleanup: () => call('cleanup').then(() => false),
    },
    leftovers: [],
    answered: () => [],
    isOurNetwork: () => state.isOurs,
    sysctls: { set: () => (state.isReadOnly ? Promise.reject(new Error('EROFS')) : Promise.resolve('already')) },
    recorder: { event: ({ name }, _type, reason, message) => void events.push(`${name} ${reason}: ${message}`) },
    clock,
    log: silentLogger,
  });
  const running = part.run(stop.signal);
  const end = async (): Promise<void> => {
    stop.abort();
    await running;
  };
  const settle = () => clock.advance(0);
  const tellElsewhere = (type: string, object: Pod): void => emit({ type, object });
  return { ...informers, tellElsewhere, clock, part, told, events, state, signal: stop.signal, settle, end };
}

const isolated = { podSelector: { matchLabels: { app: 'a' } } };
const fromAll = { ...isolated, ingress: [{ from: [{ podSelector: {} }] }] };

test('without a policy for a pod of this node nothing is followed and nothing stands', async () => {
  const { policies, localPods, told, settle, end } = setUp();
  localPods.set(pod('a', '10.0.0.1'));
  policies.set(policy('other', { podSelector: { matchLabels: { app: 'z' } }, ingress: fromAll.ingress }));
  await settle();
  expect(told).toEqual(['cleanup']);
  await end();
});

test('pods of other nodes are followed while a policy asks for them, and known before it is written', async () => {
  const { policies, localPods, told, state, settle, end } = setUp();
  state.elsewhere = [pod('b', '10.0.1.1', 'm')];
  localPods.set(pod('a', '10.0.0.1'));
  policies.set(policy('p', isolated));
  await settle();
  expect(told.splice(0)).toEqual(['all of 10.0.0.1']);
  policies.set(policy('p', fromAll));
  await settle();
  expect(told.splice(0)).toEqual(['list pods', 'change: ']);
  localPods.set(pod('c', '10.0.0.2'));
  await settle();
  expect(told.splice(0)).toEqual(['change: 10.0.0.2']);
  policies.remove(policy('p', fromAll));
  await settle();
  expect(told.splice(0)).toEqual(['cleanup']);
  policies.set(policy('p', fromAll));
  await settle();
  expect(told.splice(0)).toEqual(['list pods', 'all of 10.0.0.1']);
  await end();
});

test('a pod that went elsewhere, or came from there, by the same name is another one', async () => {
  const { policies, localPods, told, state, tellElsewhere, settle, end } = setUp();
  state.elsewhere = [pod('a', '10.0.1.1', 'm')];
  localPods.set(pod('z', '10.0.0.9'));
  policies.set(policy('p', { ...fromAll, podSelector: {} }));
  await settle();
  const here = { ...pod('a', '10.0.0.1'), metadata: { ...pod('a', '').metadata, uid: 'later' } };
  localPods.set(here);
  await settle();
  // News of the earlier one come late.
  tellElsewhere('DELETED', pod('a', '10.0.1.1', 'm'));
  await settle();
  localPods.set({ ...here, metadata: { ...here.metadata, labels: { app: 'a', x: 'y' } } });
  await settle();
  expect(told.filter(text => text.startsWith('change'))).toEqual(['change: 10.0.0.1', 'change: ']);
  tellElsewhere('ADDED', pod('a', '10.0.1.2', 'm'));
  await settle();
  localPods.remove(here);
  await settle();
  expect(told.slice(-2)).toEqual(['change: 10.0.1.2', 'change: ']);
  await end();
});

test('a write that fails is told by an event of the policies that it is about, and repeated whole', async () => {
  const { policies, localPods, told, events, state, clock, settle, end } = setUp();
  localPods.set(pod('a', '10.0.0.1'));
  await settle();
  state.failure = 'no such luck';
  policies.set(policy('p', isolated));
  policies.set(policy('other', { podSelector: { matchLabels: { app: 'z' } } }));
  await settle();
  await clock.advance(5_000);
  expect(events).toEqual(['p NetworkPolicyNotEnforced: not in effect on node n: no such luck; it is tried again']);
  state.failure = undefined;
  told.length = 0;
  await clock.advance(10_000);
  expect(told).toEqual(['all of 10.0.0.1']);
  await end();
});

test('a pod waits for its rules; if they cannot be written it does not start, and pods without policy do', async () => {
  const { policies, part, state, clock, signal, settle, end } = setUp();
  policies.set(policy('p', isolated));
  await settle();
  await part.podAddresses(pod('a', ''), ['10.0.0.1'], signal);
  state.failure = 'no such luck';
  const refused = part.podAddresses(pod('a', ''), ['10.0.0.9'], signal).catch((error: unknown) => String(error));
  await settle();
  await part.podAddresses(pod('b', ''), ['10.0.0.2'], signal);
  await clock.advance(11_000);
  expect(await refused).toBe('Error: network policies of the pod are not in effect after 10 s: no such luck');
  await end();
});

test('while the API server was never reached only static pods start', async () => {
  const { part, clock, signal, end } = setUp({ isSynced: false });
  const fixed = pod('fixed', '');
  const annotations = { 'kubernetes.io/config.source': 'file' };
  await part.podAddresses({ ...fixed, metadata: { ...fixed.metadata, annotations } }, ['10.0.0.1'], signal);
  const refused = part.podAddresses(pod('a', ''), ['10.0.0.2'], signal).catch((error: unknown) => String(error));
  await clock.advance(11_000);
  expect(await refused).toContain('the API server was not reached');
  await end();
});

test('where the network is another’s, policies are left to that one', async () => {
  const { policies, localPods, told, state, part, settle, end } = setUp();
  localPods.set(pod('a', '10.0.0.1'));
  policies.set(policy('p', isolated));
  await settle();
  told.length = 0;
  state.isOurs = false;
  part.nodeChanged();
  await settle();
  expect(told).toEqual(['cleanup']);
  await end();
});

test('what the kubelet said of a pod holds against an older status', async () => {
  const { policies, localPods, part, told, signal, settle, end } = setUp();
  policies.set(policy('p', isolated));
  await settle();
  await part.podAddresses(pod('a', ''), ['10.0.0.7'], signal);
  localPods.set({ ...pod('a', '10.0.0.1'), status: { phase: 'Running', podIPs: [{ ip: '10.0.0.1' }] } });
  await settle();
  expect(told).toEqual(['cleanup', 'all of 10.0.0.7']);
  localPods.set({ ...pod('a', '10.0.0.7'), status: { phase: 'Succeeded', podIPs: [{ ip: '10.0.0.7' }] } });
  await settle();
  expect(told.at(-1)).toBe('cleanup');
  await end();
});

test('a kernel setting that cannot be made is tried again: without it pods of one bridge would meet unseen', async () => {
  const { policies, localPods, told, events, state, clock, settle, end } = setUp();
  state.isReadOnly = true;
  localPods.set(pod('a', '10.0.0.1'));
  policies.set(policy('p', isolated));
  await settle();
  await clock.advance(5_000);
  expect(told).toEqual([]);
  expect(events).toEqual([expect.stringMatching(/^p NetworkPolicyNotEnforced: .*EROFS/)]);
  state.isReadOnly = false;
  await clock.advance(10_000);
  expect(told).toEqual(['all of 10.0.0.1']);
  await end();
});
