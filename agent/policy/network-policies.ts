/**
 * Keeps the packet filter of this node as NetworkPolicies ask.
 *
 * - Without policies nothing is followed but policies themselves and the node's own pods, and no rule stands.
 * - A change is written at once; changes that come during a write are written together by the next one.
 * - A pod of this node starts no container before the rules for its addresses stand (`podAddresses()`).
 * - Rules stay when it stops, so that policies hold while it restarts; `reset` of the node removes them.
 */
import type { Client } from '../../machinery/client/client.ts';
import { subjectOf } from '../../machinery/client/event-recorder.ts';
import type { EventSink } from '../../machinery/client/event-recorder.ts';
import type { Informer } from '../../machinery/client/informer.ts';
import { networkPolicies } from '../../machinery/client/resource.ts';
import { canonicalAddress } from '../../machinery/meta/ip-number.ts';
import { errorText } from '../../machinery/meta/error-text.ts';
import { keyOf } from '../../machinery/meta/object.ts';
import { aborted } from '../../machinery/process/aborted.ts';
import type { Clock } from '../../machinery/process/clock.ts';
import type { Component } from '../../machinery/process/component.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import type { Namespace, Pod } from '../../proto/api/core-v1.ts';
import type { NetworkPolicy } from '../../proto/api/networking-v1.ts';
import type { Sysctls } from '../host/sysctl.ts';
import type { RuleChanges } from '../node-iptables/index.ts';
import { DriftWatch } from './drift-watch.ts';
import { LocalPods } from './local-pods.ts';
import { PeerPods } from './peer-pods.ts';
import { compilePolicy } from './plan/compile-policy.ts';
import { isStatic } from './plan/pod-facts.ts';
import type { PolicyBackend } from './policy-backend.ts';
import type { PolicyMetrics } from './policy-metrics.ts';
import { PolicyState } from './policy-state.ts';
import { PolicyWriter } from './policy-writer.ts';
import { WriteProgress } from './write-progress.ts';

export interface NetworkPoliciesOptions {
  readonly policies: Informer<NetworkPolicy>;
  readonly namespaces: Informer<Namespace>;
  /** Those of this node. */
  readonly localPods: Informer<Pod>;
  /** Lists and watches pods of all nodes, once a policy needs them. */
  readonly client: Client;
  readonly nodeName: string;
  /** Undefined where the kernel has no packet filter: then policies are without effect, and are told so. */
  readonly backend: PolicyBackend | undefined;
  /** Of other packet filters that an earlier process may have used; cleaned up once the rules stand. */
  readonly leftovers: readonly PolicyBackend[];
  /** Service addresses at which this node answers for cluster DNS. */
  readonly answered: () => readonly string[];
  /** Whether the pod network is ours: with another's, policies are that one's business. */
  readonly isOurNetwork: () => boolean;
  readonly sysctls: Pick<Sysctls, 'set'>;
  readonly ruleChanges?: RuleChanges | undefined;
  readonly recorder: EventSink;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Without them packets between pods of one node do not pass the packet filter. */
const SYSCTLS = ['net.bridge.bridge-nf-call-iptables', 'net.bridge.bridge-nf-call-ip6tables'] as const;
const MIN_RETRY_MS = 200;
const MAX_RETRY_MS = 10_000;
const PEERS_PATIENCE_MS = 5_000;
const POD_PATIENCE_MS = 10_000;
/** Of events. */
const REASON = 'NetworkPolicyNotEnforced';

export class NetworkPolicies implements Component {
  readonly name = 'network-policy';
  private readonly options: NetworkPoliciesOptions;
  private readonly state = new PolicyState();
  private readonly writer: PolicyWriter | undefined;
  private readonly local: LocalPods;
  private readonly peers: PeerPods;
  private readonly progress: WriteProgress;
  private readonly drift: DriftWatch;
  private failure: string | undefined;
  private readonly leftovers: PolicyBackend[];
  private bridged = false;
  private arePeersLate = false;
  private metrics: PolicyMetrics | undefined;

  constructor(options: NetworkPoliciesOptions) {
    this.options = options;
    this.writer = options.backend === undefined ? undefined : new PolicyWriter(this.state, options.backend);
    this.progress = new WriteProgress(options.clock);
    this.drift = new DriftWatch(options.clock, options.ruleChanges);
    this.leftovers = [...options.leftovers];
    this.local = new LocalPods(this.state, () => this.progress.touch());
    this.peers = new PeerPods({
      client: options.client,
      nodeName: options.nodeName,
      clock: options.clock,
      log: options.log,
      onPod: pod => {
        this.state.putPod(pod, false);
        this.progress.touch();
      },
      onGone: key => {
        this.state.removePod(key);
        this.progress.touch();
      },
    });
  }

  /** Others may start at once: their pods wait by themselves. */
  ready(): Promise<void> {
    return Promise.resolve();
  }

  /** Where it counts from now on. */
  measure(metrics: PolicyMetrics): void {
    this.metrics = metrics;
  }

  /** The node answers other service addresses, or the network is another's now. */
  nodeChanged(): void {
    this.progress.touch();
  }

  /**
   * A pod of this node has these addresses, and nothing runs in it yet. Resolves once its rules stand.
   * @throws Error in words if they cannot be written in time and a policy selects the pod
   */
  async podAddresses(pod: Pod, addresses: readonly string[], signal: AbortSignal): Promise<void> {
    if (this.writer === undefined || pod.spec.hostNetwork === true || addresses.length === 0) return;
    const { policies, clock } = this.options;
    this.local.claim(pod, addresses);
    const change = this.progress.current;
    const isSettled = (): boolean => this.progress.isWritten(change);
    // Nobody knows what policies say before the API server is reached; pods that it has no part in do not wait for that.
    const isHarmless = (): boolean => (policies.hasSynced() ? !this.state.isSelected(keyOf(pod)) : isStatic(pod));
    const untilMs = clock.monotonicMs() + POD_PATIENCE_MS;
    while (!isSettled()) {
      if ((this.failure !== undefined || !policies.hasSynced()) && isHarmless()) return;
      const leftMs = untilMs - clock.monotonicMs();
      if (leftMs <= 0) break;
      await this.progress.untilEnded(leftMs, signal);
    }
    if (isSettled() || isHarmless()) return;
    const why = this.failure ?? (policies.hasSynced() ? 'the packet filter is slow' : 'the API server was not reached');
    throw new Error(`network policies of the pod are not in effect after ${POD_PATIENCE_MS / 1000} s: ${why}`);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { policies, namespaces, localPods, clock, log, ruleChanges } = this.options;
    const nudge = (): void => this.progress.nudge();
    const removeHandlers = [
      policies.addHandler({
        onAdd: policy => this.putPolicy(policy),
        onUpdate: (_, policy) => this.putPolicy(policy),
        onDelete: policy => {
          this.state.removePolicy(keyOf(policy));
          this.progress.touch();
        },
      }),
      namespaces.addHandler({
        onAdd: namespace => this.putNamespace(namespace, namespace.metadata.labels ?? {}),
        onUpdate: (_, namespace) => this.putNamespace(namespace, namespace.metadata.labels ?? {}),
        onDelete: namespace => this.putNamespace(namespace, undefined),
      }),
      localPods.addHandler(this.local),
      ruleChanges?.onChange(() => void (this.drift.suspect() && this.progress.nudge())) ?? ((): void => {}),
    ];
    signal.addEventListener('abort', nudge);
    let retryMs = 0;
    try {
      const known = Promise.all([policies.synced(), localPods.synced(), namespaces.synced()]);
      await Promise.race([known, aborted(signal)]);
      this.progress.touch();
      while (!signal.aborted) {
        const change = this.progress.current;
        try {
          await this.converge(signal);
          if (this.failure !== undefined) log.info({}, 'network policies are in effect again');
          this.failure = undefined;
          retryMs = 0;
        } catch (error) {
          retryMs = Math.min(Math.max(MIN_RETRY_MS, retryMs * 2), MAX_RETRY_MS);
          this.report(error, retryMs);
        }
        this.progress.ended(retryMs > 0 ? undefined : change);
        if (retryMs > 0) await clock.sleep(retryMs, signal).catch(() => {});
        else if (!signal.aborted) await this.progress.untilTouched(this.drift.dueMs);
      }
    } finally {
      signal.removeEventListener('abort', nudge);
      for (const remove of removeHandlers) remove();
      await this.peers.leave();
    }
  }

  private async converge(signal: AbortSignal): Promise<void> {
    const { state, writer } = this;
    const { answered, isOurNetwork, log } = this.options;
    if (state.putAnswered(state.hasPolicies ? answered().flatMap(address => canonicalAddress(address) ?? []) : []))
      writer?.forget();
    await this.followPeers(signal);
    if (writer === undefined) {
      if (!state.isIdle) throw new Error('this node has no packet filter that works: install nftables or iptables');
    } else if (!isOurNetwork()) {
      if (writer.hasRules) await writer.cleanup();
    } else {
      if (this.drift.begin(!state.isIdle) && (await writer.checkDrift()))
        log.warn({}, 'someone removed rules of network policies; writing them again');
      await this.write(writer);
    }
  }

  private async write(writer: PolicyWriter): Promise<void> {
    const { clock, log } = this.options;
    const { state, metrics } = this;
    if (!state.isIdle) await this.bridge();
    const startedMs = clock.monotonicMs();
    const kind = await writer.write();
    if (kind !== undefined) metrics?.written(kind, clock.monotonicMs() - startedMs);
    metrics?.holds(state.policyCount, state.isolatedPods());
    // Only now: until ours stand those of before hold.
    for (const other of this.leftovers.splice(0)) {
      await other
        .cleanup()
        .catch((error: unknown) => log.debug({ err: error, filter: other.name }, 'nothing to clean up, or no way to'));
    }
  }

  /** Pods of other nodes are known before a rule is written that asks for them: or what was allowed would be cut for a moment. */
  private async followPeers(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.options;
    if (!this.state.needsPeers) {
      if (!this.peers.isFollowing) return;
      await this.peers.leave();
      this.arePeersLate = false;
      this.state.removePeers();
      return;
    }
    const listed = this.peers.follow();
    if (this.arePeersLate) return;
    const stop = new AbortController();
    const late = clock.sleep(PEERS_PATIENCE_MS, AbortSignal.any([signal, stop.signal])).then(() => {
      this.arePeersLate = true;
      log.warn({}, 'pods of other nodes cannot be listed; until then policies let none of them through');
    });
    await Promise.race([listed, late.catch(() => {})]);
    stop.abort();
  }

  private async bridge(): Promise<void> {
    if (this.bridged) return;
    for (const name of SYSCTLS) {
      if ((await this.options.sysctls.set(name, '1')) !== 'absent') continue;
      const message = `this kernel lacks ${name}: network policies do not hold between pods of this node`;
      this.options.log.warn({ sysctl: name }, message);
      this.tell(message);
    }
    this.bridged = true;
  }

  private putPolicy(policy: NetworkPolicy): void {
    const compiled = compilePolicy(policy);
    for (const problem of compiled.problems) {
      const subject = subjectOf(networkPolicies, policy);
      this.options.recorder.event(subject, 'Warning', REASON, `A rule lets nothing through: ${problem}`);
    }
    this.state.putPolicy(compiled);
    this.progress.touch();
  }

  private putNamespace(namespace: Namespace, labels: Readonly<Record<string, string>> | undefined): void {
    this.state.putNamespace(namespace.metadata.name ?? '', labels);
    this.progress.touch();
  }

  private report(error: unknown, retryMs: number): void {
    const text = errorText(error);
    const isNews = this.failure === undefined;
    this.failure = text;
    this.metrics?.failed();
    if (!isNews) return;
    this.options.log.error({ err: error, retryMs }, 'network policies could not be brought into effect');
    this.tell(`not in effect on node ${this.options.nodeName}: ${text}; it is tried again`);
  }

  /** Says it of every policy that has a pod here. */
  private tell(message: string): void {
    const { policies, recorder } = this.options;
    const keys = this.state.policiesInUse();
    for (const policy of policies.lister.list()) {
      if (keys.has(keyOf(policy))) recorder.event(subjectOf(networkPolicies, policy), 'Warning', REASON, message);
    }
  }
}
