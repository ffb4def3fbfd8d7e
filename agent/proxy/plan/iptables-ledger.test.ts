import { describe, expect, test } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { renderRestore } from '../../node-iptables/plan/restore.ts';
import type { RuleLike, TableChange } from '../../node-iptables/plan/restore.ts';
import { service, slice, testNode } from '../testdata/objects.ts';
import { computeServicePorts } from './compute-service-ports.ts';
import { CANARY_CHAIN, PROXY_TABLES, iptablesFamily } from './iptables-base.ts';
import type { ProxyTable } from './iptables-base.ts';
import { cleanupChanges, missingHooks } from './iptables-full.ts';
import { isOurs, readKernel } from './iptables-kernel.ts';
import { RuleLedger } from './iptables-ledger.ts';
import type { LedgerStep, ServiceRules } from './iptables-ledger.ts';
import { renderService } from './iptables-render.ts';
import type { NodeModel } from './model.ts';

/** Takes changes as iptables-restore does, and refuses what the kernel would. */
class FakeKernel {
  readonly tables: Record<ProxyTable, Map<string, string[]>> = {
    nat: new Map([
      ['PREROUTING', ['-j FOREIGN']],
      ['OUTPUT', []],
      ['POSTROUTING', []],
      ['FOREIGN', ['-j RETURN']],
    ]),
    filter: new Map([
      ['INPUT', []],
      ['FORWARD', []],
      ['OUTPUT', []],
    ]),
  };
  writes = 0;

  apply({ table, chains, insert, remove, deleteChains }: TableChange): void {
    const now = this.tables[table as ProxyTable];
    for (const [chain, rules] of chains ?? []) now.set(chain, rules.map(text));
    for (const { chain, rule } of insert ?? []) now.get(chain)?.unshift(text(rule));
    for (const { chain, rule } of remove ?? []) {
      const rules = now.get(chain) ?? [];
      const at = rules.indexOf(text(rule));
      expect(at).toBeGreaterThanOrEqual(0);
      rules.splice(at, 1);
    }
    for (const chain of deleteChains ?? []) expect(now.delete(chain)).toBe(true);
    this.writes += (chains?.size ?? 0) + (deleteChains?.length ?? 0);
    for (const rules of now.values())
      for (const rule of rules) {
        const target = /-j (KUBE-\S+)$/.exec(rule)?.[1];
        if (target !== undefined && !now.has(target)) throw new Error(`${target} does not exist`);
      }
  }

  carryOut(steps: readonly LedgerStep[]): void {
    for (const { change, written } of steps) {
      this.apply(change);
      written();
    }
  }

  /** As iptables-save prints it. */
  save(table: ProxyTable): string {
    const chains = [...this.tables[table]];
    return [
      `*${table}`,
      ...chains.map(([chain]) => `:${chain} - [0:0]`),
      ...chains.flatMap(([chain, rules]) => rules.map(rule => `-A ${chain} ${rule}`)),
      'COMMIT',
      '',
    ].join('\n');
  }

  read() {
    return { nat: readKernel('nat', this.save('nat')), filter: readKernel('filter', this.save('filter')) };
  }
}

const text = (rule: RuleLike): string => (typeof rule === 'string' ? rule : JSON.stringify(rule));

function start(kernel: FakeKernel, services: ServiceRules[], node: NodeModel = testNode): RuleLedger {
  const found = kernel.read();
  const ledger = new RuleLedger(found, node);
  for (const table of PROXY_TABLES) kernel.carryOut([ledger.planBase(table, 'oneRule')]);
  for (const step of ledger.plan(services, true)) {
    const insert = missingHooks(step.table, found[step.table].foreign, iptablesFamily(node.family));
    kernel.carryOut([{ ...step, change: { ...step.change, insert } }]);
  }
  for (const table of PROXY_TABLES) kernel.carryOut([ledger.step(table, new Map(), ledger.strays(table))]);
  return ledger;
}

interface State {
  readonly endpoints: number[];
  readonly nodePort: boolean;
  readonly affinity: boolean;
  readonly external: boolean;
  readonly gone: boolean;
}

function wanted(id: number, state: State): ServiceRules {
  const name = `web-${id}`;
  if (state.gone) return { service: name, rules: undefined };
  const svc = service(name, {
    clusterIP: `10.96.${id % 2}.20`,
    ...(state.nodePort ? { type: 'NodePort', ports: [{ name: 'http', port: 80, nodePort: 30_060 + id * 10 }] } : {}),
    ...(state.affinity ? { sessionAffinity: 'ClientIP' } : {}),
    // All of them share it, as two services may.
    ...(state.external ? { externalIPs: ['192.0.2.9'] } : {}),
  });
  const endpoints = state.endpoints.map(n => `10.244.0.${n}`);
  const { ports } = computeServicePorts(svc, [slice(name, endpoints)], testNode);
  return { service: name, rules: renderService(ports, testNode) };
}

const state = fc.record({
  endpoints: fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { maxLength: 4 }),
  nodePort: fc.boolean(),
  affinity: fc.boolean(),
  external: fc.boolean(),
  gone: fc.boolean(),
});
const batch = fc.uniqueArray(fc.record({ id: fc.integer({ min: 0, max: 4 }), state }), {
  selector: step => step.id,
  minLength: 1,
  maxLength: 3,
});
const sorted = (chains: ReadonlyMap<string, readonly string[]>) => new Map([...chains].sort());

describe('RuleLedger', () => {
  test('takes any history of services to what a first write gives, and knows the kernel by heart', () => {
    fc.assert(
      fc.property(fc.array(batch, { minLength: 1, maxLength: 8 }), history => {
        const kernel = new FakeKernel();
        const ledger = start(kernel, []);
        const last = new Map<number, State>();
        for (const steps of history) {
          kernel.carryOut(ledger.plan(steps.map(step => wanted(step.id, step.state))));
          for (const step of steps) last.set(step.id, step.state);
        }
        for (const table of PROXY_TABLES) {
          expect(ledger.strays(table)).toEqual([]);
          const { ours } = kernel.read()[table];
          expect([...ours.keys()].map(chain => ledger.chain(table, chain)?.hash)).toEqual(
            [...ours.values()].map(chain => chain.hash),
          );
        }
        const fresh = new FakeKernel();
        start(
          fresh,
          [...last].map(([id, one]) => wanted(id, one)),
        );
        for (const table of PROXY_TABLES) expect(sorted(kernel.tables[table])).toEqual(sorted(fresh.tables[table]));
      }),
      { numRuns: 20 },
    );
  });

  test('finds nothing to write when it starts again, whatever the order', () => {
    const kernel = new FakeKernel();
    const all = [0, 1, 2, 3].map(id =>
      wanted(id, { endpoints: [1, 2], nodePort: true, affinity: id === 1, external: true, gone: false }),
    );
    start(kernel, all);
    const { writes } = kernel;
    const before = structuredClone(kernel.tables);
    start(kernel, all.reverse());
    expect(kernel.writes).toBe(writes);
    expect(kernel.tables).toEqual(before);
  });

  test('repairs what others did and removes what no service wants any more', () => {
    const good = new FakeKernel();
    const all = [0, 1].map(id =>
      wanted(id, { endpoints: [1, 2], nodePort: true, affinity: true, external: false, gone: false }),
    );
    start(good, all);
    const kernel = new FakeKernel();
    start(kernel, [...all, wanted(2, { endpoints: [3], nodePort: true, affinity: true, external: true, gone: false })]);
    for (const rules of kernel.tables.nat.values()) rules.length = 0;
    kernel.tables.nat.get('PREROUTING')?.push('-j FOREIGN');
    kernel.tables.nat.get('FOREIGN')?.push('-j RETURN');
    kernel.tables.filter.get('KUBE-FORWARD')?.push('-j ACCEPT');
    start(kernel, all);
    for (const table of PROXY_TABLES) expect(sorted(kernel.tables[table])).toEqual(sorted(good.tables[table]));
  });

  test('writes for one more endpoint one chain and the canary, for one more address one branch', () => {
    const kernel = new FakeKernel();
    const simple = { nodePort: false, affinity: false, external: false, gone: false };
    const ledger = start(kernel, [wanted(0, { ...simple, endpoints: [1] })]);
    const chainsOf = (steps: LedgerStep[]) => steps.flatMap(({ change }) => [...(change.chains?.keys() ?? [])]);
    const endpoint = ledger.plan([wanted(0, { ...simple, endpoints: [1, 2] })]);
    expect(chainsOf(endpoint)).toEqual([expect.stringMatching(/^KUBE-SVC-/), CANARY_CHAIN]);
    kernel.carryOut(endpoint);
    expect(chainsOf(ledger.plan([wanted(2, { ...simple, endpoints: [1] })]))).toEqual([
      expect.stringMatching(/^KUBE-SVC-/),
      'KUBE-SERVICES-10.96.0.0',
      CANARY_CHAIN,
    ]);
    expect(chainsOf(ledger.plan([wanted(0, { ...simple, endpoints: [1, 2] })]))).toEqual([]);
  });

  test('makes base chains, shared chains and hooks as the golden says', () => {
    const node: NodeModel = { ...testNode, nodePortAddresses: ['192.0.2.1'], masqueradeBit: 15 };
    const texts = [testNode, node, { ...testNode, family: 'IPv6' as const, clusterCIDR: 'fd00:10::/64' }].map(model => {
      const ledger = new RuleLedger(new FakeKernel().read(), model);
      const steps = PROXY_TABLES.flatMap(table => {
        const base = ledger.planBase(table, 'oneRule');
        base.written();
        return [base.change];
      });
      const family = iptablesFamily(model.family);
      const rest = ledger
        .plan([], true)
        .map(({ table, change }) => ({ ...change, insert: missingHooks(table, new Map(), family) }));
      return renderRestore([...steps, ...rest], family);
    });
    const file = new URL('../testdata/base.golden.txt', import.meta.url);
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, texts.join('\n'));
    expect(texts.join('\n')).toBe(readFileSync(file, 'utf8'));
  });

  test('cleanup leaves what others have', () => {
    const kernel = new FakeKernel();
    const foreign = structuredClone(kernel.tables);
    start(kernel, [wanted(0, { endpoints: [1, 2], nodePort: true, affinity: true, external: true, gone: false })]);
    for (const table of PROXY_TABLES)
      for (const change of cleanupChanges(table, kernel.read()[table], 3)) kernel.apply(change);
    expect(kernel.tables).toEqual(foreign);
    for (const table of PROXY_TABLES)
      for (const change of cleanupChanges(table, kernel.read()[table], 3)) kernel.apply(change);
    expect(kernel.tables).toEqual(foreign);
  });
});

test('isOurs() tells our chains from those of others', () => {
  for (const chain of ['KUBE-SERVICES', 'KUBE-MARK-MASQ', 'KUBE-SVC-NPX46M4PTMTKRN6Y', 'KUBE-SERVICES-10.96.0.0'])
    expect(isOurs('nat', chain)).toBe(true);
  for (const chain of ['KUBE-KUBELET-CANARY', 'KUBE-MARK-DROP', 'PREROUTING', 'CNI-HOSTPORT-DNAT', 'K8TS-POSTROUTING'])
    expect(isOurs('nat', chain)).toBe(false);
  expect(isOurs('filter', 'KUBE-SVC-NPX46M4PTMTKRN6Y')).toBe(false);
});
