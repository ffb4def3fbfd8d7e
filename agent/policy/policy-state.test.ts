/** Policies against random worlds: what the rules let through, after any history of changes, is what the API says. */
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { Pod } from '../../proto/api/core-v1.ts';
import type { NetworkPolicy } from '../../proto/api/networking-v1.ts';
import { compilePolicy } from './plan/compile-policy.ts';
import { changeSteps, cleanupSteps, replaceSteps } from './plan/iptables-steps.ts';
import { isEmptyChange } from './plan/model.ts';
import type { PodChains, PolicyChain } from './plan/model.ts';
import { nftablesChange, nftablesModel } from './plan/nftables-rules.ts';
import { podFacts } from './plan/pod-facts.ts';
import { PolicyState } from './policy-state.ts';
import { arbitraryHistory } from './testdata/arbitrary-world.ts';
import type { Step } from './testdata/arbitrary-world.ts';
import { IptablesKernel } from './testdata/iptables-kernel.ts';
import { NftKernel } from './testdata/nft-kernel.ts';
import { isEgressAllowed, isIngressAllowed } from './testdata/oracle.ts';
import type { Connection, World } from './testdata/oracle.ts';
import type { Packet } from './testdata/packet.ts';

const LOCAL = new Set(['one/a', 'one/b', 'two/a']);
const FAMILIES = ['IPv4', 'IPv6'] as const;
const OUTSIDE = ['192.0.2.7', '2001:db8::7'];

/** What is there, as objects for the oracle and as the state sees it. */
class Both {
  readonly state = new PolicyState();
  private readonly policies = new Map<string, NetworkPolicy>();
  private readonly pods = new Map<string, Pod>();
  private readonly labels = new Map<string, Record<string, string>>();

  do(step: Step): void {
    switch (step.kind) {
      case 'policy':
        this.policies.set(step.policy.metadata.name ?? '', step.policy);
        this.state.putPolicy(compilePolicy(step.policy));
        return;
      case 'policyGone':
        this.policies.delete(step.key.split('/')[1] ?? '');
        this.state.removePolicy(step.key);
        return;
      case 'pod': {
        const facts = podFacts(step.pod);
        this.pods.set(facts.key, step.pod);
        this.state.putPod(facts, LOCAL.has(facts.key));
        return;
      }
      case 'podGone':
        this.pods.delete(step.key);
        this.state.removePod(step.key);
        return;
      case 'namespace':
        if (step.labels === undefined) this.labels.delete(step.name);
        else this.labels.set(step.name, step.labels);
        this.state.putNamespace(step.name, step.labels);
    }
  }

  world(): World {
    return {
      policies: [...this.policies.values()],
      pods: [...this.pods.values()],
      namespaces: [...this.labels].map(([name, labels]) => ({ metadata: { name, labels }, spec: {} })),
    };
  }

  connections(): Connection[] {
    const world = this.world();
    const addresses = [...world.pods.flatMap(pod => (pod.status?.podIPs ?? []).map(({ ip }) => ip ?? '')), ...OUTSIDE];
    return addresses.flatMap(from =>
      addresses
        .filter(to => to.includes(':') === from.includes(':'))
        .flatMap(to =>
          (['TCP', 'UDP'] as const).flatMap(protocol => [80, 8080].map(port => ({ from, to, protocol, port }))),
        ),
    );
  }
}

/** This node judges its own pods alone. */
function isAllowed(world: World, connection: Connection): boolean {
  const local = new Set(
    world.pods
      .filter(({ metadata }) => LOCAL.has(`${metadata.namespace}/${metadata.name}`))
      .flatMap(({ status }) => (status?.podIPs ?? []).map(({ ip }) => ip)),
  );
  return (
    (!local.has(connection.from) || isEgressAllowed(world, connection)) &&
    (!local.has(connection.to) || isIngressAllowed(world, connection))
  );
}

function expectAll(both: Both, isPassed: (packet: Packet) => boolean): void {
  const world = both.world();
  for (const connection of both.connections()) {
    const want = isAllowed(world, connection);
    const got = isPassed({ ...connection, hook: 'forward' });
    if (got !== want) expect({ ...connection, passed: got }).toEqual({ ...connection, passed: want });
  }
}

describe('PolicyState', () => {
  test('by nftables every history of changes lets through what the API says', () => {
    fc.assert(
      fc.property(arbitraryHistory, history => {
        const both = new Both();
        const kernel = new NftKernel();
        kernel.apply(nftablesModel(both.state.takeAll()));
        for (const batch of history) {
          for (const step of batch) both.do(step);
          kernel.apply(nftablesChange(both.state.takeChange()));
          expect(isEmptyChange(both.state.takeChange())).toBe(true);
          expectAll(both, packet => kernel.isPassed(packet));
        }
        const fresh = new NftKernel();
        fresh.apply(nftablesModel(both.state.takeAll()));
        expectAll(both, packet => fresh.isPassed(packet));
        expect(kernel.names()).toEqual(fresh.names());
      }),
      { numRuns: 40 },
    );
  });

  test('by iptables too, and at no moment passes what is forbidden before and after', () => {
    fc.assert(
      fc.property(arbitraryHistory, history => {
        const both = new Both();
        const kernel = new IptablesKernel();
        kernel.carryOut(replaceSteps(both.state.takeAll(), kernel.look(), FAMILIES));
        const chains = new Map<string, PolicyChain>();
        let pods = new Map<string, PodChains>();
        for (const [i, batch] of history.entries()) {
          const packets = both.connections().map(connection => ({ ...connection, hook: 'forward' }) as const);
          const before = new Set(packets.filter(packet => kernel.isPassed(packet)));
          for (const step of batch) both.do(step);
          const world = both.world();
          const forbidden = packets.filter(packet => !before.has(packet) && !isAllowed(world, packet));
          const watch = (): void => {
            const through = forbidden.filter(packet => kernel.isPassed(packet));
            if (through.length > 0) expect(through).toEqual([]);
          };
          if (i % 3 === 2) {
            // The agent started anew.
            const model = both.state.takeAll();
            kernel.carryOut(replaceSteps(model, kernel.look(), FAMILIES), watch);
            chains.clear();
            for (const chain of model.chains) chains.set(chain.name, chain);
            pods = new Map(model.pods);
          } else {
            const change = both.state.takeChange();
            kernel.carryOut(changeSteps(change, { chains: [...chains.values()], pods }, FAMILIES), watch);
            for (const chain of change.addChains) chains.set(chain.name, chain);
            for (const { name } of change.removeChains) chains.delete(name);
            for (const { address, after } of change.pods) pods.set(address, after);
          }
          expectAll(both, packet => kernel.isPassed(packet));
        }
        const fresh = new IptablesKernel();
        fresh.carryOut(replaceSteps(both.state.takeAll(), fresh.look(), FAMILIES));
        expect(kernel.names()).toEqual(fresh.names());
        kernel.carryOut(cleanupSteps(kernel.look()));
        expect(kernel.names()).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });
});
