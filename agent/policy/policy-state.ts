/**
 * What is known of policies, pods and namespaces, and what follows from it for this node, kept current change by change: a pod that comes or
 * goes costs one look at each set, whatever the number of pods.
 *
 * - No I/O, no clock. Whoever writes takes `takeAll()` or the difference since (`takeChange()`).
 * - Chains and sets exist while a pod of this node needs them.
 */
import type { IpFamily } from '../../machinery/meta/ip-number.ts';
import { AddressOwners } from './plan/address-owners.ts';
import type { CompiledPolicy } from './plan/compile-policy.ts';
import { familyOfAddress } from './plan/model.ts';
import type { Direction, PodChains, PolicyChain, PolicyChange, PolicyModel } from './plan/model.ts';
import { PendingSet } from './plan/pending-set.ts';
import { elementsOf, selectsNamespace, selectsPod } from './plan/peer-selector.ts';
import { planChain } from './plan/pod-chains.ts';
import type { PlannedChain, SetSource } from './plan/pod-chains.ts';
import { isSamePod } from './plan/pod-facts.ts';
import type { Labels, PolicyPod } from './plan/pod-facts.ts';

interface UsedChain {
  readonly chain: PolicyChain;
  readonly sets: readonly string[];
  users: number;
}

/** Cluster DNS as policies see it where the node answers: the pods that would answer elsewhere have these labels. */
const DNS_POD = {
  key: 'kube-system/ dns of the node',
  namespace: 'kube-system',
  uid: '',
  labels: { 'k8s-app': 'kube-dns' },
  ports: [
    { name: 'dns', protocol: 'UDP', port: 53 },
    { name: 'dns-tcp', protocol: 'TCP', port: 53 },
  ],
} as const;

const OPEN: PodChains = {};
const DIRECTIONS: readonly Direction[] = ['ingress', 'egress'];

export class PolicyState {
  private readonly policies = new Map<string, CompiledPolicy>();
  private readonly namespaces = new Map<string, Labels>();
  private readonly pods = new Map<string, PolicyPod>();
  private readonly podsOfNamespace = new Map<string, Set<string>>();
  private readonly localPods = new Set<string>();
  private readonly owners = new AddressOwners();
  private readonly chains = new Map<string, UsedChain>();
  private readonly sets = new Map<string, PendingSet>();
  private readonly assigned = new Map<string, PodChains>();
  private answered: readonly string[] = [];
  private writtenChains = new Map<string, PolicyChain>();
  private writtenSets = new Map<string, SetSource>();
  private writtenPods = new Map<string, PodChains>();

  /** Whether any policy is there. */
  get hasPolicies(): boolean {
    return this.policies.size > 0;
  }

  /** Whether no pod of this node is isolated. */
  get isIdle(): boolean {
    return this.assigned.size === 0;
  }

  /** Whether what follows depends on pods of other nodes. */
  get needsPeers(): boolean {
    for (const { users, source } of this.sets.values()) if (users > 0 && 'selector' in source) return true;
    return false;
  }

  /** Policies that select at least one pod of this node. */
  policiesInUse(): Set<string> {
    const used = new Set<string>();
    for (const key of this.localPods) for (const policy of this.policiesOf(key)) used.add(policy.key);
    return used;
  }

  /** Whether a policy selects that pod of this node. */
  isSelected(key: string): boolean {
    return this.localPods.has(key) && this.policiesOf(key).length > 0;
  }

  /** How many policies there are. */
  get policyCount(): number {
    return this.policies.size;
  }

  /** How many pods of this node are isolated in at least one direction. */
  isolatedPods(): number {
    return new Set([...this.assigned.keys()].map(address => this.owners.ownerOf(address))).size;
  }

  putPolicy(policy: CompiledPolicy): void {
    this.policies.set(policy.key, policy);
    this.replanNamespace(policy.namespace);
  }

  removePolicy(key: string): void {
    const policy = this.policies.get(key);
    if (policy === undefined) return;
    this.policies.delete(key);
    this.replanNamespace(policy.namespace);
  }

  /** @param labels undefined if the namespace is gone */
  putNamespace(name: string, labels: Labels | undefined): void {
    if (labels === undefined) this.namespaces.delete(name);
    else this.namespaces.set(name, labels);
    for (const key of this.podsOfNamespace.get(name) ?? [])
      for (const address of this.owners.addressesOf(key)) this.refreshAddress(address);
  }

  /** @param local it runs on this node */
  putPod(pod: PolicyPod, local: boolean): void {
    const { key, namespace } = pod;
    const before = this.pods.get(key);
    if (before !== undefined && isSamePod(before, pod)) return;
    if (before?.uid !== pod.uid) this.removePod(key);
    this.pods.set(key, pod);
    let siblings = this.podsOfNamespace.get(namespace);
    if (siblings === undefined) this.podsOfNamespace.set(namespace, (siblings = new Set()));
    siblings.add(key);
    if (local) this.localPods.add(key);
    this.placePod(key, pod.addresses);
  }

  removePod(key: string): void {
    const pod = this.pods.get(key);
    if (pod === undefined) return;
    this.pods.delete(key);
    const siblings = this.podsOfNamespace.get(pod.namespace);
    siblings?.delete(key);
    if (siblings?.size === 0) this.podsOfNamespace.delete(pod.namespace);
    this.placePod(key, []);
    this.localPods.delete(key);
  }

  /** Forgets the pods of other nodes: nobody follows them any more. */
  removePeers(): void {
    for (const key of [...this.pods.keys()]) if (!this.localPods.has(key) && key !== DNS_POD.key) this.removePod(key);
  }

  /** Addresses at which the node answers for cluster DNS. @returns whether those are others */
  putAnswered(addresses: readonly string[]): boolean {
    if (addresses.join() === this.answered.join()) return false;
    this.answered = addresses;
    if (addresses.length === 0) this.removePod(DNS_POD.key);
    else this.putPod({ ...DNS_POD, addresses }, false);
    return true;
  }

  /** Everything, taken to be written. */
  takeAll(): PolicyModel {
    this.dropUnused();
    const model = {
      chains: [...this.chains.values()].map(({ chain }) => chain),
      sets: [...this.sets.values()].map(set => set.takeWhole()),
      pods: new Map(this.assigned),
      answered: this.answered,
    };
    this.remember();
    return model;
  }

  /** What differs from what was last taken, taken to be written. */
  takeChange(): PolicyChange {
    this.dropUnused();
    const { writtenChains, writtenSets } = this;
    const fresh = [...this.sets].filter(([name]) => !writtenSets.has(name));
    const dirty = [...this.sets].filter(([name, set]) => writtenSets.has(name) && set.isDirty);
    const change = {
      addSets: fresh.map(([, set]) => set.takeWhole()),
      changeSets: dirty.map(([, set]) => set.take()),
      removeSets: [...writtenSets].filter(([name]) => !this.sets.has(name)).map(([, source]) => source),
      addChains: [...this.chains.values()].flatMap(({ chain }) => (writtenChains.has(chain.name) ? [] : [chain])),
      removeChains: [...writtenChains.values()].filter(({ name }) => !this.chains.has(name)),
      pods: this.podChanges(),
    };
    this.remember();
    return change;
  }

  // Not sooner: a set that goes and comes back between two writes must be known to be what the kernel has.
  private dropUnused(): void {
    for (const [name, set] of this.sets) if (set.users === 0) this.sets.delete(name);
  }

  private remember(): void {
    this.writtenChains = new Map([...this.chains].map(([name, { chain }]) => [name, chain]));
    this.writtenSets = new Map([...this.sets].map(([name, { source }]) => [name, source]));
    this.writtenPods = new Map(this.assigned);
  }

  private podChanges(): { address: string; before: PodChains; after: PodChains }[] {
    const changes = [];
    for (const address of new Set([...this.writtenPods.keys(), ...this.assigned.keys()])) {
      const before = this.writtenPods.get(address) ?? OPEN;
      const after = this.assigned.get(address) ?? OPEN;
      if (before.ingress !== after.ingress || before.egress !== after.egress) changes.push({ address, before, after });
    }
    return changes;
  }

  private placePod(key: string, addresses: readonly string[]): void {
    for (const address of this.owners.put(key, addresses)) this.refreshAddress(address);
  }

  private replanNamespace(namespace: string): void {
    for (const key of this.localPods) {
      if (this.pods.get(key)?.namespace !== namespace) continue;
      for (const address of this.owners.addressesOf(key)) this.replanAddress(address);
    }
  }

  private refreshAddress(address: string): void {
    for (const set of this.sets.values()) this.fill(set, address);
    this.replanAddress(address);
  }

  private fill(set: PendingSet, address: string): void {
    const { source } = set;
    if (!('selector' in source) || source.family !== familyOfAddress(address)) return;
    const pod = this.pods.get(this.owners.ownerOf(address) ?? '');
    const isIn = pod !== undefined && selectsPod(source.selector, pod, this.namespaces.get(pod.namespace));
    set.put(address, isIn ? elementsOf(address, pod, source.port) : []);
  }

  /** A namespace is asked for its labels once, not for each of its pods. */
  private fillWhole(set: PendingSet): void {
    const { source } = set;
    if (!('selector' in source)) return;
    for (const [namespace, keys] of this.podsOfNamespace) {
      if (!selectsNamespace(source.selector, namespace, this.namespaces.get(namespace))) continue;
      for (const key of keys) for (const address of this.owners.addressesOf(key)) this.fill(set, address);
    }
  }

  private policiesOf(key: string): CompiledPolicy[] {
    const pod = this.pods.get(key);
    if (pod === undefined) return [];
    return [...this.policies.values()].filter(
      ({ namespace, podSelector }) => namespace === pod.namespace && podSelector.matches(pod.labels),
    );
  }

  /** Which chains the address has; those it had go only after the new ones stand, so that sets in use by both stay. */
  private replanAddress(address: string): void {
    const key = this.owners.ownerOf(address) ?? '';
    const before = this.assigned.get(address) ?? OPEN;
    const pod = this.localPods.has(key) ? this.pods.get(key) : undefined;
    const policies = pod === undefined ? [] : this.policiesOf(key);
    const family: IpFamily = familyOfAddress(address);
    const plan = (direction: Direction): string | undefined => {
      if (pod === undefined || policies.length === 0) return undefined;
      const planned = planChain(pod, direction, family, policies);
      return planned === undefined ? undefined : this.useChain(planned);
    };
    const after = { ingress: plan('ingress'), egress: plan('egress') };
    if (after.ingress === undefined && after.egress === undefined) this.assigned.delete(address);
    else this.assigned.set(address, after);
    for (const direction of DIRECTIONS) this.releaseChain(before[direction]);
  }

  private useChain({ chain, sources }: PlannedChain): string {
    let used = this.chains.get(chain.name);
    if (used === undefined) {
      used = { chain, sets: sources.map(({ name }) => name), users: 0 };
      this.chains.set(chain.name, used);
      for (const source of sources) {
        let set = this.sets.get(source.name);
        if (set === undefined) {
          this.sets.set(source.name, (set = new PendingSet(source)));
          this.fillWhole(set);
        }
        set.users++;
      }
    }
    used.users++;
    return chain.name;
  }

  private releaseChain(name: string | undefined): void {
    const used = name === undefined ? undefined : this.chains.get(name);
    if (name === undefined || used === undefined || --used.users > 0) return;
    this.chains.delete(name);
    for (const source of used.sets) {
      const set = this.sets.get(source);
      if (set !== undefined) set.users--;
    }
  }
}
