import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { renderNft } from '../../node-iptables/index.ts';
import type { NftCommand } from '../../node-iptables/index.ts';
import { testNode } from '../testdata/objects.ts';
import type { EndpointModel, NodeModel, ServicePortModel } from './model.ts';
import { computeNftDelta, isEmptyNftDelta, nftCommandsOf } from './nftables-delta.ts';
import { fullNftCommands } from './nftables-full.ts';
import { NftLedger } from './nftables-ledger.ts';
import { packNftService, planNftService, unpackNftService } from './nftables-service.ts';
import type { NftPort } from './nftables-service.ts';
import { assignSlots } from './nftables-slots.ts';

const node: NodeModel = { ...testNode, nodePortAddresses: 'all', masqueradeBit: 14 };
const here = (ip: string, port = 8080): EndpointModel => ({ ip, port, local: true });
const away = (ip: string, port = 8080): EndpointModel => ({ ip, port, local: false });

function model(change: Partial<ServicePortModel> = {}): ServicePortModel {
  return {
    name: 'default/web:http',
    protocol: 'TCP',
    port: 80,
    clusterIP: '10.96.0.20',
    externalIPs: [],
    loadBalancerIPs: [],
    sourceRanges: [],
    internalPolicy: 'Cluster',
    externalPolicy: 'Cluster',
    clusterEndpoints: [here('10.244.0.3'), away('10.244.1.4')],
    localEndpoints: [here('10.244.0.3')],
    ...change,
  };
}

function verdicts(change: Partial<ServicePortModel>): Record<string, string> {
  const targets = planNftService([model(change)], [], node).flatMap(port => port.targets);
  return Object.fromEntries(targets.map(({ key, verdict }) => [key, verdict]));
}

/** The kernel, as far as these commands go: it refuses what the real one refuses. */
class Kernel {
  readonly sets = new Map<string, Map<string, string>>();
  readonly chains = new Map<string, string[]>();

  apply(commands: readonly NftCommand[]): void {
    for (const command of commands) this.one(command);
    const statements = [...this.chains.values(), ...[...this.sets.values()].map(set => [...set.values()])].flat();
    for (const statement of statements) {
      const to = /goto (\S+)$/.exec(statement)?.[1];
      if (to !== undefined) expect(this.chains.has(to)).toBe(true);
    }
  }

  private one(command: NftCommand): void {
    switch (command.kind) {
      case 'addChain':
        this.chains.set(command.chain, this.chains.get(command.chain) ?? []);
        return;
      case 'addRule':
        expect(this.chains.has(command.chain)).toBe(true);
        this.chains.get(command.chain)?.push(command.statement as string);
        return;
      case 'flushChain':
        expect(this.chains.has(command.chain)).toBe(true);
        this.chains.set(command.chain, []);
        return;
      case 'deleteChain':
        expect(this.chains.delete(command.chain)).toBe(true);
        return;
      case 'addElements':
        for (const element of command.elements) this.add(command.set, element);
        return;
      case 'deleteElements':
        for (const key of command.elements) expect(this.sets.get(command.set)?.delete(key as string)).toBe(true);
        return;
      default:
        throw new Error(`unexpected ${command.kind}`);
    }
  }

  private add(name: string, element: string | { key: string; value?: string }): void {
    const text = typeof element === 'string' ? element : `${element.key} : ${element.value}`;
    const [key = '', value = ''] = text.split(' : ');
    const set = this.sets.get(name) ?? new Map<string, string>();
    this.sets.set(name, set);
    if (name !== 'hairpin') expect(set.has(key)).toBe(false);
    set.set(key, value);
  }
}

describe('planNftService()', () => {
  test.each<[string, Partial<ServicePortModel>, Record<string, string>]>([
    ['policy Cluster', {}, { '10.96.0.20 . tcp . 80': 'goto cluster-ip-2' }],
    ['internal policy Local', { internalPolicy: 'Local' }, { '10.96.0.20 . tcp . 80': 'goto cluster-ip-local-1' }],
    [
      'internal policy Local, nobody here',
      { internalPolicy: 'Local', localEndpoints: [] },
      { '10.96.0.20 . tcp . 80': 'drop' },
    ],
    [
      'no endpoints',
      { clusterEndpoints: [], localEndpoints: [], nodePort: 30080 },
      { '10.96.0.20 . tcp . 80': 'goto reject-at-once', 'tcp . 30080': 'goto reject-at-once' },
    ],
    [
      'external addresses; one that is the cluster IP too is that alone',
      { externalIPs: ['192.0.2.7', '10.96.0.20'], loadBalancerIPs: ['192.0.2.7', '192.0.2.8'] },
      {
        '10.96.0.20 . tcp . 80': 'goto cluster-ip-2',
        '192.0.2.7 . tcp . 80': 'goto external-2',
        '192.0.2.8 . tcp . 80': 'goto external-2',
      },
    ],
    [
      'external policy Local',
      { externalPolicy: 'Local', nodePort: 30080, externalIPs: ['192.0.2.7'] },
      {
        '10.96.0.20 . tcp . 80': 'goto cluster-ip-2',
        '192.0.2.7 . tcp . 80': 'goto external-local-1-2',
        'tcp . 30080': 'goto node-port-local-1-2',
      },
    ],
    [
      'external policy Local, nobody here',
      { externalPolicy: 'Local', nodePort: 30080, localEndpoints: [] },
      { '10.96.0.20 . tcp . 80': 'goto cluster-ip-2', 'tcp . 30080': 'goto node-port-local-0-2' },
    ],
  ])('%s', (_name, change, want) => {
    expect(verdicts(change)).toEqual(want);
  });

  test('keeps packed what it was', () => {
    const ports = planNftService([model({ affinitySeconds: 60, nodePort: 30080 }), model()], [], node);
    expect(unpackNftService(packNftService(ports))).toEqual(ports);
  });
});

describe.each(['IPv4', 'IPv6'] as const)('a full write, %s', family => {
  test('is as it was looked through', () => {
    const a = family === 'IPv4' ? (n: number) => `10.96.0.${n}` : (n: number) => `fd00:96::${n}`;
    const pods = [3, 4].map(n => here(family === 'IPv4' ? `10.244.0.${n}` : `fd00:244::${n}`));
    const of = (n: number, change: Partial<ServicePortModel> = {}): readonly NftPort[] =>
      planNftService(
        [
          model({
            name: `default/s${n}:p`,
            clusterIP: a(n),
            clusterEndpoints: pods,
            localEndpoints: pods.slice(1),
            ...change,
          }),
        ],
        [],
        mine,
      );
    const mine: NodeModel = {
      ...node,
      family,
      clusterCIDR: family === 'IPv4' ? '10.244.0.0/16' : 'fd00:244::/48',
      nodePortAddresses: family === 'IPv4' ? 'all' : ['2001:db8::1', '2001:db8::2'],
    };
    const services = [
      of(1, { nodePort: 30001 }),
      of(2, { externalPolicy: 'Local', nodePort: 30002 }),
      of(3, { protocol: 'UDP', clusterEndpoints: [], localEndpoints: [] }),
      of(4, { affinitySeconds: 10_800 }),
      of(5, { loadBalancerIPs: [a(99)], sourceRanges: family === 'IPv4' ? ['192.0.2.0/24'] : ['2001:db8::/32'] }),
    ];
    const how = { kind: 'refill', foundChains: ['cluster-ip-2', 'left-over'] } as const;
    const pieces = [...fullNftCommands(services, how, mine, new Set())];
    const text = pieces.map(commands => renderNft(family === 'IPv4' ? 'ip' : 'ip6', 'k8ts-proxy', commands)).join('');
    const file = new URL(`../testdata/nftables-${family}.golden.txt`, import.meta.url);
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, text);
    expect(text).toBe(readFileSync(file, 'utf8'));
  });
});

describe('deltas', () => {
  const delta = (before: Partial<ServicePortModel>, after: Partial<ServicePortModel>) => {
    const planned = planNftService([model(before)], [], node);
    return computeNftDelta(planned, planNftService([model(after)], planned, node));
  };

  test('are empty when nothing changed, in whatever order endpoints come', () => {
    expect(isEmptyNftDelta(delta({}, {}))).toBe(true);
    expect(isEmptyNftDelta(delta({}, { clusterEndpoints: [away('10.244.1.4'), here('10.244.0.3')] }))).toBe(true);
  });

  test('of one endpoint of many that went are its slot and the way there', () => {
    const many = Array.from({ length: 500 }, (_, i) => away(`10.244.${2 + (i >> 8)}.${i & 255}`));
    const { add, remove } = delta({ clusterEndpoints: many }, { clusterEndpoints: many.slice(1) });
    expect(remove.map(([set]) => set).sort()).toEqual(['endpoints-tcp', 'endpoints-tcp', 'service-ips']);
    expect(add.map(([set]) => set).sort()).toEqual(['endpoints-tcp', 'service-ips']);
  });

  test('take any history of services to what a full write gives', () => {
    const ips = fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { maxLength: 5 });
    const state = fc.record({
      service: fc.constantFrom('a', 'b'),
      cluster: ips,
      local: ips,
      nodePort: fc.boolean(),
      affinity: fc.boolean(),
      guarded: fc.boolean(),
      internalPolicy: fc.constantFrom('Cluster' as const, 'Local' as const),
      externalPolicy: fc.constantFrom('Cluster' as const, 'Local' as const),
      gone: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(state, { minLength: 1, maxLength: 10 }), history => {
        const kernel = new Kernel();
        const made = new Set<string>();
        kernel.apply(['reject-at-once'].map(chain => ({ kind: 'addChain', chain })));
        const written = new Map<string, readonly NftPort[]>();
        for (const step of history) {
          const n = step.service === 'a' ? 1 : 2;
          const port = model({
            name: `default/${step.service}:http`,
            clusterIP: `10.96.0.${n}`,
            clusterEndpoints: step.cluster.map(i => here(`10.244.0.${i}`)),
            localEndpoints: step.local.map(i => here(`10.244.0.${i}`)),
            internalPolicy: step.internalPolicy,
            externalPolicy: step.externalPolicy,
            ...(step.nodePort ? { nodePort: 30080 + n } : {}),
            ...(step.affinity ? { affinitySeconds: 60 } : {}),
            ...(step.guarded ? { loadBalancerIPs: [`192.0.2.${n}`], sourceRanges: ['198.51.100.0/24'] } : {}),
          });
          const before = written.get(step.service) ?? [];
          const wanted = planNftService(step.gone ? [] : [port], before, node);
          const { commands, newSharedChains } = nftCommandsOf([computeNftDelta(before, wanted)], made, node);
          kernel.apply(commands);
          for (const chain of newSharedChains) made.add(chain);
          written.set(step.service, wanted);
        }
        const fresh = new Kernel();
        fresh.apply([{ kind: 'addChain', chain: 'reject-at-once' }]);
        const deltas = [...written.values()].map(ports => computeNftDelta([], ports));
        fresh.apply(nftCommandsOf(deltas, new Set(), node).commands);
        for (const name of new Set([...kernel.sets.keys(), ...fresh.sets.keys()])) {
          if (name === 'hairpin') continue;
          expect(new Map([...(kernel.sets.get(name) ?? [])].sort())).toEqual(
            new Map([...(fresh.sets.get(name) ?? [])].sort()),
          );
        }
        // Shared chains stay for the next.
        for (const [chain, rules] of fresh.chains) expect(kernel.chains.get(chain)).toEqual(rules);
        for (const chain of kernel.chains.keys()) expect(fresh.chains.has(chain) || made.has(chain)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});

test('NftLedger tells once whom nobody here serves any more, and where to look for a flush', () => {
  const ledger = new NftLedger();
  const plan = (...ips: string[]) => planNftService([model({ clusterEndpoints: ips.map(ip => here(ip)) })], [], node);
  ledger.set('default/a', plan('10.244.0.3', '10.244.0.4'));
  ledger.set('default/b', plan('10.244.0.3'));
  expect(ledger.takeStaleHairpins()).toEqual([]);
  ledger.set('default/a', []);
  expect(ledger.takeStaleHairpins()).toEqual(['10.244.0.4']);
  expect(ledger.takeStaleHairpins()).toEqual([]);
  ledger.set('default/b', []);
  ledger.set('default/c', plan('10.244.0.3'));
  expect(ledger.takeStaleHairpins()).toEqual([]);
  expect(ledger.sampleElements()).toEqual([
    { set: 'service-ips', key: '10.96.0.20 . tcp . 80' },
    { set: 'endpoints-tcp', key: '10.96.0.20 . 80 . 0' },
  ]);
});

test('assignSlots() leaves no gap, loses nobody, and moves as few as it must', () => {
  const texts = fc.uniqueArray(fc.constantFrom(...'abcdefghij'), { maxLength: 8 });
  fc.assert(
    fc.property(texts, texts, (before, wanted) => {
      const slots = assignSlots(before, wanted);
      expect([...slots].sort()).toEqual([...wanted].sort());
      const couldStay = wanted.filter(one => before.includes(one) && before.indexOf(one) < wanted.length);
      for (const one of couldStay) expect(slots.indexOf(one)).toBe(before.indexOf(one));
    }),
  );
});
