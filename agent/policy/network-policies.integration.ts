/** Policies by real packets, with both packet filters and both address families. Needs root, nftables, iptables and ipset. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { Client } from '../../machinery/client/client.ts';
import {
  namespaces as namespaceResource,
  networkPolicies,
  pods as podResource,
} from '../../machinery/client/resource.ts';
import { systemClock } from '../../machinery/process/clock.ts';
import { silentLogger } from '../../machinery/process/logger.ts';
import type { Namespace, Pod } from '../../proto/api/core-v1.ts';
import type { NetworkPolicy, NetworkPolicySpec } from '../../proto/api/networking-v1.ts';
import { run } from '../host/exec.ts';
import { Ipset, Iptables, Nftables, RuleEvents } from '../node-iptables/index.ts';
import { ManualInformer } from '../proxy/testdata/objects.ts';
import { IptablesPolicyBackend } from './iptables-policy-backend.ts';
import { NetworkPolicies } from './network-policies.ts';
import { NftablesPolicyBackend, POLICY_TABLE } from './nftables-policy-backend.ts';
import type { PolicyBackend } from './policy-backend.ts';
import { arbitraryPolicies } from './testdata/arbitrary-world.ts';
import { isEgressAllowed, isIngressAllowed } from './testdata/oracle.ts';
import { ADDRESSES, DNS_ADDRESS, PODS, PolicyLab } from './testdata/policy-lab.ts';
import type { Place } from './testdata/policy-lab.ts';

const lab = new PolicyLab(`pol${process.pid}`);
const DENIED_MS = 300;
const ALLOWED_MS = 8_000;
const node = { prefix: lab.in('node') };
type PodName = (typeof PODS)[number];

beforeAll(() => lab.up(), 30_000);
afterAll(() => lab.down());

function pod(
  name: PodName,
  app: string,
  more: { namespace?: string; uid?: string; web?: number; of?: PodName } = {},
): Pod {
  const { namespace = 'one', uid = name, web = 8080, of = name } = more;
  return {
    metadata: { namespace, name, uid, labels: { app } },
    spec: { nodeName: 'n', containers: [{ name: 'x', ports: [{ name: 'web', containerPort: web }] }] },
    status: { phase: 'Running', podIPs: ADDRESSES[of].map(ip => ({ ip })) },
  };
}

function policy(name: string, spec: NetworkPolicySpec): NetworkPolicy {
  return { metadata: { namespace: 'one', name }, spec };
}

/** A node's part with what it follows. */
class Agent {
  readonly policies = new ManualInformer<NetworkPolicy>(networkPolicies);
  readonly pods = new ManualInformer<Pod>(podResource);
  readonly namespaces = new ManualInformer<Namespace>(namespaceResource);
  readonly events: string[] = [];
  readonly parts: NetworkPolicies;
  private readonly stop = new AbortController();
  private readonly running: Promise<unknown>;

  constructor(backend: PolicyBackend, follows?: Agent) {
    const peers = { list: () => Promise.resolve({ items: [], resourceVersion: '1' }), watch: silence };
    const ruleChanges = new RuleEvents(node);
    this.policies = follows?.policies ?? this.policies;
    this.pods = follows?.pods ?? this.pods;
    this.namespaces = follows?.namespaces ?? this.namespaces;
    this.parts = new NetworkPolicies({
      policies: this.policies,
      namespaces: this.namespaces,
      localPods: this.pods,
      client: { of: () => peers } as unknown as Client,
      nodeName: 'n',
      backend,
      leftovers: [],
      answered: () => [DNS_ADDRESS],
      isOurNetwork: () => true,
      ruleChanges,
      sysctls: { set: () => Promise.resolve('already') },
      recorder: { event: (_subject, _type, reason, message) => void this.events.push(`${reason}: ${message}`) },
      clock: systemClock,
      log: silentLogger,
    });
    const { signal } = this.stop;
    this.running = Promise.all([this.parts.run(signal), ruleChanges.run(signal)]);
  }

  /** Resolves once everything so far is written. */
  async settled(): Promise<void> {
    const probe = {
      ...pod('a', 'probe', { uid: 'probe' }),
      metadata: { namespace: 'none', name: 'probe', uid: 'probe' },
    };
    await this.parts.podAddresses(probe, ['10.244.0.99'], this.stop.signal);
  }

  async end(): Promise<void> {
    this.stop.abort();
    await this.running;
  }
}

async function* silence(options: { signal: AbortSignal }): AsyncGenerator<never> {
  await new Promise(resolve => options.signal.addEventListener('abort', resolve));
}

type Probe = readonly [from: Place, to: Exclude<Place, 'node'> | string, port: number, kind?: 'tcp' | 'udp'];

/** Each in both families. */
function ask([from, to, port, kind = 'tcp']: Probe, ms: number): Promise<unknown>[] {
  const hosts = to in ADDRESSES ? ADDRESSES[to as Exclude<Place, 'node'>] : [to];
  return hosts.map(async host => [from, host, port, await lab.ask(from, { kind, host, port, ms })]);
}

async function expectAll(probes: readonly Probe[], want: 'ok' | 'timeout'): Promise<void> {
  const results = await Promise.all(probes.flatMap(probe => ask(probe, want === 'ok' ? ALLOWED_MS : DENIED_MS)));
  expect(results).toEqual(results.map(result => [...(result as unknown[]).slice(0, 3), want]));
}

const backends: Record<string, () => PolicyBackend> = {
  nftables: () => new NftablesPolicyBackend(new Nftables('inet', POLICY_TABLE, node)),
  iptables: () =>
    new IptablesPolicyBackend({
      families: new Map([
        ['IPv4', new Iptables({ family: 'ipv4', ...node })],
        ['IPv6', new Iptables({ family: 'ipv6', ...node })],
      ]),
      ipset: new Ipset(node),
    }),
};

async function rules(): Promise<string> {
  const argvs = [['nft', 'list', 'ruleset'], ['iptables-save'], ['ip6tables-save'], ['ipset', 'list', '-n']];
  const texts = await Promise.all(argvs.map(async argv => (await run([...lab.in('node'), ...argv])).stdout));
  return texts.join('\n');
}

describe.each(Object.keys(backends))('network policies by %s', name => {
  const create = backends[name] as () => PolicyBackend;
  let agent: Agent;

  beforeAll(async () => {
    agent = new Agent(create());
    agent.namespaces.set({ metadata: { name: 'one', labels: { team: 'x' } }, spec: {} });
    agent.namespaces.set({ metadata: { name: 'kube-system', labels: { system: 'yes' } }, spec: {} });
    for (const each of PODS) agent.pods.set(pod(each, each));
    await agent.settled();
  });

  afterAll(async () => {
    await agent.end();
    await create().cleanup();
    expect(await rules()).not.toMatch(/k8ts|K8TS/);
  });

  async function withPolicies(list: readonly NetworkPolicy[], body: () => Promise<void>): Promise<void> {
    for (const each of list) agent.policies.set(each);
    await agent.settled();
    try {
      await body();
    } finally {
      for (const each of agent.policies.lister.list()) agent.policies.remove(each);
      await agent.settled();
    }
  }

  test('no policy, no rule', async () => {
    expect(await rules()).not.toMatch(/k8ts|K8TS/);
    await expectAll(
      [
        ['b', 'a', 80],
        ['client', 'a', 80],
        ['b', DNS_ADDRESS, 53, 'udp'],
      ],
      'ok',
    );
  });

  test('a pod without ingress answers its node and itself, and asks others', async () => {
    await withPolicies([policy('p', { podSelector: { matchLabels: { app: 'a' } } })], async () => {
      await Promise.all([
        expectAll(
          [
            ['b', 'a', 80],
            ['client', 'a', 80],
            ['b', 'a', 5353, 'udp'],
          ],
          'timeout',
        ),
        expectAll(
          [
            ['node', 'a', 80],
            ['a', 'a', 80],
            ['a', 'b', 80],
            ['a', 'client', 80],
            ['b', 'c', 80],
          ],
          'ok',
        ),
      ]);
    });
  });

  test('peers by label, on the port that the pod calls so; other peers and ports not', async () => {
    const ingress = [{ from: [{ podSelector: { matchLabels: { app: 'b' } } }], ports: [{ port: 'web' }] }];
    await withPolicies([policy('p', { podSelector: { matchLabels: { app: 'a' } }, ingress })], async () => {
      await Promise.all([
        expectAll([['b', 'a', 8080]], 'ok'),
        expectAll(
          [
            ['b', 'a', 80],
            ['c', 'a', 8080],
            ['client', 'a', 8080],
          ],
          'timeout',
        ),
      ]);
      agent.pods.set(pod('a', 'a', { web: 80 }));
      agent.pods.set(pod('c', 'b'));
      agent.pods.set(pod('b', 'c'));
      await agent.settled();
      await Promise.all([
        expectAll([['c', 'a', 80]], 'ok'),
        expectAll(
          [
            ['b', 'a', 80],
            ['c', 'a', 8080],
          ],
          'timeout',
        ),
      ]);
      for (const each of PODS) agent.pods.set(pod(each, each));
      await agent.settled();
    });
  });

  test('egress to a named port of others, to a range, and to blocks with exceptions', async () => {
    const egress = [
      { to: [{ podSelector: {} }], ports: [{ port: 'web' }] },
      { to: [{ ipBlock: { cidr: '192.0.2.0/24' } }], ports: [{ port: 79, endPort: 81 }] },
      { to: [{ ipBlock: { cidr: '::/0', except: ['fd00::/64'] } }], ports: [{ protocol: 'UDP' as const }] },
    ];
    await withPolicies(
      [policy('p', { podSelector: { matchLabels: { app: 'a' } }, egress, policyTypes: ['Egress'] })],
      async () => {
        const [v4, v6] = ADDRESSES.client;
        await Promise.all([
          expectAll(
            [
              ['a', 'b', 8080],
              ['a', v4, 80],
              ['a', v6, 5353, 'udp'],
              ['b', 'a', 80],
            ],
            'ok',
          ),
          expectAll(
            [
              ['a', 'b', 80],
              ['a', v4, 8080],
              ['a', v6, 80],
              ['a', 'b', 5353, 'udp'],
              ['a', v4, 5353, 'udp'],
            ],
            'timeout',
          ),
        ]);
      },
    );
  });

  test('cluster DNS is a pod of kube-system, though the node answers it', async () => {
    const isolated = { podSelector: { matchLabels: { app: 'a' } }, policyTypes: ['Egress' as const] };
    const dns = {
      namespaceSelector: { matchLabels: { system: 'yes' } },
      podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
    };
    await withPolicies([policy('p', isolated)], () => expectAll([['a', DNS_ADDRESS, 53, 'udp']], 'timeout'));
    const egress = [{ to: [dns], ports: [{ port: 53, protocol: 'UDP' as const }] }];
    await withPolicies([policy('p', { ...isolated, egress })], async () => {
      await expectAll([['a', DNS_ADDRESS, 53, 'udp']], 'ok');
      await expectAll([['a', 'b', 80]], 'timeout');
    });
  });

  test('a connection that is open is cut by a policy that forbids it, and goes on under one that allows it', async () => {
    const [host] = ADDRESSES.a;
    expect(await lab.ask('b', { kind: 'open', host, port: 80, name: 'b' })).toBe('ok');
    expect(await lab.ask('c', { kind: 'open', host, port: 80, name: 'c' })).toBe('ok');
    const ingress = [{ from: [{ podSelector: { matchLabels: { app: 'b' } } }] }];
    await withPolicies([policy('p', { podSelector: {}, ingress })], async () => {
      const [allowed, forbidden] = await Promise.all([
        lab.ask('b', { kind: 'say', name: 'b', ms: ALLOWED_MS }),
        lab.ask('c', { kind: 'say', name: 'c', ms: DENIED_MS }),
      ]);
      expect([allowed, forbidden]).toEqual(['ok', 'timeout']);
    });
  });

  test('while policies and pods change, what stays allowed loses nothing and what stays forbidden never passes', async () => {
    const ingress = (app: string) => [
      { from: [{ podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['b', app] }] } }] },
    ];
    await withPolicies(
      [policy('p', { podSelector: { matchLabels: { app: 'a' } }, ingress: ingress('x') })],
      async () => {
        const flows = (['b', 'c'] as const).flatMap(from =>
          ADDRESSES.a.map((host, i) => lab.ask(from, { kind: 'steady', name: `${from}${i}`, host, port: 5353 })),
        );
        for (let i = 0; i < 12; i++) {
          agent.policies.set(policy('p', { podSelector: { matchLabels: { app: 'a' } }, ingress: ingress(`x${i}`) }));
          if (i % 2 === 0) agent.policies.set(policy('q', { podSelector: {}, ingress: ingress('b') }));
          else agent.policies.remove(policy('q', { podSelector: {} }));
          agent.pods.set(pod('c', `c${i}`));
          await agent.settled();
        }
        const again = new Agent(create(), agent);
        await again.settled();
        await again.end();
        for (const from of ['b', 'c'] as const)
          for (const i of [0, 1]) await lab.ask(from, { kind: 'stop', name: `${from}${i}` });
        const results = (await Promise.all(flows)) as { sent: number; answered: number }[];
        for (const { sent } of results) expect(sent).toBeGreaterThan(0);
        expect(results.map(({ answered }) => answered)).toEqual([results[0]?.sent, results[1]?.sent, 0, 0]);
        agent.pods.set(pod('c', 'c'));
      },
    );
  });

  test('an address that another pod gets brings no rights along', async () => {
    const ingress = [{ from: [{ podSelector: { matchLabels: { app: 'b' } } }] }];
    await withPolicies([policy('p', { podSelector: { matchLabels: { app: 'a' } }, ingress })], async () => {
      await expectAll([['b', 'a', 80]], 'ok');
      // The one that had it is not gone yet for the API server.
      const heir = pod('c', 'heir', { uid: 'heir', of: 'b' });
      await agent.parts.podAddresses(heir, ADDRESSES.b, new AbortController().signal);
      await expectAll([['b', 'a', 80]], 'timeout');
      agent.pods.remove(heir);
      for (const each of PODS) agent.pods.set(pod(each, each, { uid: `${each}2` }));
      await agent.settled();
      await expectAll([['b', 'a', 80]], 'ok');
    });
  });

  test('a service that leads a pod to itself works for a pod that may talk to nobody', async () => {
    const [host] = ADDRESSES.a;
    const nat = ['-t', 'nat', '-A'];
    const rule = (...words: string[]) => run([...lab.in('node'), 'iptables', ...nat, ...words]);
    await rule('PREROUTING', '-d', '10.96.7.7', '-p', 'tcp', '--dport', '80', '-j', 'DNAT', '--to', `${host}:80`);
    await rule('POSTROUTING', '-s', host, '-d', host, '-j', 'MASQUERADE');
    try {
      await withPolicies([policy('p', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] })], async () => {
        await expectAll([['a', '10.96.7.7', 80]], 'ok');
        await expectAll([['b', '10.96.7.7', 80]], 'timeout');
      });
    } finally {
      await run([...lab.in('node'), 'iptables', '-t', 'nat', '-F']);
    }
  });

  test('addresses of the link are no way around', async () => {
    const linkAddress = async (place: Place): Promise<string> => {
      const { stdout } = await run([...lab.in(place), 'ip', '-j', '-6', 'addr', 'show', 'dev', 'eth0']);
      const links = JSON.parse(stdout) as { addr_info: { local: string; scope: string }[] }[];
      const address = links[0]?.addr_info.find(({ scope }) => scope === 'link')?.local;
      if (address === undefined) throw new Error(stdout);
      return `${address}%eth0`;
    };
    const to = { kind: 'tcp', host: await linkAddress('a'), port: 80 } as const;
    const from = { kind: 'tcp', host: ADDRESSES.a[1], port: 80, from: await linkAddress('b') } as const;
    for (const probe of [to, from]) expect(await lab.ask('b', { ...probe, ms: ALLOWED_MS })).toBe('ok');
    await withPolicies([policy('p', { podSelector: { matchLabels: { app: 'a' } } })], async () => {
      expect(await lab.ask('b', { ...to, ms: DENIED_MS })).toBe('timeout');
    });
    const isolated = { podSelector: { matchLabels: { app: 'b' } }, policyTypes: ['Egress'] };
    await withPolicies([policy('p', isolated)], async () => {
      expect(await lab.ask('b', { ...from, ms: DENIED_MS })).toBe('timeout');
    });
  });

  test('rules that others removed come back by themselves', async () => {
    await withPolicies([policy('p', { podSelector: { matchLabels: { app: 'a' } } })], async () => {
      await expectAll([['b', 'a', 80]], 'timeout');
      const flush =
        name === 'nftables'
          ? ['nft', 'delete', 'table', 'inet', POLICY_TABLE]
          : ['iptables', '-t', 'mangle', '-F', 'FORWARD'];
      await run([...lab.in('node'), ...flush]);
      const standing = name === 'nftables' ? POLICY_TABLE : '-A FORWARD -m comment --comment "k8ts network policy"';
      const untilMs = Date.now() + 25_000;
      const list = name === 'nftables' ? ['nft', 'list', 'tables'] : ['iptables-save', '-t', 'mangle'];
      const isBack = async () => (await run([...lab.in('node'), ...list])).stdout.includes(standing);
      while (!(await isBack())) expect(Date.now()).toBeLessThan(untilMs);
      await agent.settled();
      await expectAll([['b', 'a', 80]], 'timeout');
    });
  });

  test('random policies let through what the API says', async () => {
    const worlds = fc.sample(arbitraryPolicies, { numRuns: 6, seed: Date.now() });
    for (const list of worlds) {
      await withPolicies(list, async () => {
        const world = { policies: list, pods: agent.pods.lister.list(), namespaces: agent.namespaces.lister.list() };
        const allowed: Probe[] = [];
        const denied: Probe[] = [];
        for (const from of [...PODS, 'client'] as const) {
          for (const to of [...PODS, 'client'] as const) {
            if (from === to) continue;
            for (const [i, host] of ADDRESSES[to].entries()) {
              for (const [protocol, port] of [
                ['TCP', 80],
                ['TCP', 8080],
                ['UDP', 5353],
              ] as const) {
                const connection = { from: ADDRESSES[from][i] ?? '', to: host, protocol, port };
                const is = isEgressAllowed(world, connection) && isIngressAllowed(world, connection);
                (is ? allowed : denied).push([from, host, port, protocol === 'TCP' ? 'tcp' : 'udp']);
              }
            }
          }
        }
        await Promise.all([expectAll(allowed, 'ok'), expectAll(denied, 'timeout')]).catch((error: unknown) => {
          throw new Error(`with ${JSON.stringify(list)}`, { cause: error });
        });
      });
    }
  });
});
